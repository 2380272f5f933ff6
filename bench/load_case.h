// What is asked of a server, and what is right of what it answers.
#ifndef BENCH_LOAD_CASE_H_
#define BENCH_LOAD_CASE_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

enum class Protocol { kHttp, kGrpc };

// "http" or "grpc".
const char* NameOf(Protocol protocol);

struct Case {
  Protocol protocol = Protocol::kHttp;
  double weight = 1;
  int status = 200;
  std::string file;
  // HTTP: all that is sent. gRPC: what DATA frames carry, messages with their
  // prefixes, and the headers before it.
  std::string request;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string answer;
  bool has_answer = false;
  std::map<std::string, size_t> unwanted;  // by status; "lost": no answer
};

// Of [PROTOCOL:]WEIGHT:STATUS:REQUEST[:ANSWER], with what is in the files. Ends
// the program, in words, where that makes no sense.
Case ParseCase(const std::string& text);

// Takes "http:" or "grpc:" from the front, and gives which it was; HTTP where
// there is neither.
Protocol TakeProtocol(std::string* text);

// What has come.
struct Answer {
  int status = 0;
  std::string body;
  size_t json = 0;      // HTTP: bytes before binary tensors, 0: all is JSON
  std::string message;  // gRPC: the status in words
};

// The status for people: "200", "grpc 3", "grpc 0, error_message" where a
// streamed answer has one.
std::string StatusName(const Case& asked, const Answer& answer);

// Whether that is what the case wants, whichever version of a model gave it.
// Numbers may be off by the tolerance, where all tensors are FP32.
bool IsRight(const Case& wanted, Answer answer, double tolerance);

#endif  // BENCH_LOAD_CASE_H_
