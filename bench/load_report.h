// Counts what becomes of requests, and says it as one line of JSON.
#ifndef BENCH_LOAD_REPORT_H_
#define BENCH_LOAD_REPORT_H_

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "bench/load_client.h"

class Report : public Results {
 public:
  explicit Report(double tolerance) : tolerance_(tolerance) {}

  void OnSent() { ++sent_; }
  void OnAnswer(const Asked& asked, Answer answer) override;
  void OnLost(const Asked& asked, const std::string& why) override;
  void OnSentAgain() override { ++sent_again_; }
  // That were due and never sent.
  void OnNeverSent(size_t count) { lost_ += count; }

  // Of so many seconds, to stdout.
  void Print(double seconds, const std::deque<Case>& cases);

 private:
  void Tell(const char* what, const Case& asked, const std::string& why);

  const double tolerance_;
  std::vector<double> latencies_;  // seconds
  std::map<std::string, size_t> statuses_;
  size_t sent_ = 0, sent_again_ = 0, lost_ = 0, wrong_ = 0;
  int told_ = 0;
};

#endif  // BENCH_LOAD_REPORT_H_
