// What is asked of a server, and what is right of what it answers.
#ifndef BENCH_LOAD_CASE_H_
#define BENCH_LOAD_CASE_H_

#include <cstddef>
#include <map>
#include <string>

struct Case {
  double weight = 1;
  int status = 200;
  std::string file, request, answer;
  bool has_answer = false;
  std::map<int, size_t> unwanted;  // by status; 0: no answer
};

// Of WEIGHT:STATUS:REQUEST[:ANSWER], with what is in the files. Ends the
// program, in words, where that makes no sense.
Case ParseCase(const std::string& text);

// Whether a body with this status is what the case wants, whichever version of
// a model gave it. `json`: bytes before its binary tensors, 0: all is JSON.
// Numbers may be off by the tolerance, where all tensors are FP32.
bool IsRight(const Case& wanted, int status, std::string body, size_t json,
             double tolerance);

#endif  // BENCH_LOAD_CASE_H_
