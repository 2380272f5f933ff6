#include "bench/load_report.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>

namespace {

constexpr int kMostTold = 5;

// `counts`: pairs of a name and a number.
template <typename Counts>
std::string Json(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    if (!text.empty()) text += ", ";
    text += "\"" + name + "\": " + std::to_string(count);
  }
  return "{" + text + "}";
}

}  // namespace

void Report::OnAnswer(const Asked& asked, Answer answer) {
  Case& wanted = *asked.what;
  const std::chrono::duration<double> latency = Clock::now() - asked.due;
  latencies_.push_back(latency.count());
  const std::string status = StatusName(wanted, answer);
  ++statuses_[status];
  if (IsRight(wanted, answer, tolerance_)) return;
  ++wrong_;
  ++wanted.unwanted[status];
  Tell("wrong", wanted,
       status + ", " +
           (wanted.protocol == Protocol::kGrpc
                ? answer.message
                : answer.body.substr(0, answer.json > 0 ? answer.json : 200)));
  // Beside the request, to be compared with what was wanted.
  std::ofstream(wanted.file + ".wrong", std::ios::binary) << answer.body;
}

void Report::OnLost(const Asked& asked, const std::string& why) {
  ++lost_;
  ++asked.what->unwanted["lost"];
  Tell("lost", *asked.what, why);
}

void Report::Tell(const char* what, const Case& asked, const std::string& why) {
  if (told_++ < kMostTold) {
    std::fprintf(stderr, "load: %s: %s: %s\n", what, asked.file.c_str(),
                 why.c_str());
  }
}

void Report::Print(double seconds, const std::deque<Case>& cases) {
  std::sort(latencies_.begin(), latencies_.end());
  const auto at = [&](double share) {
    if (latencies_.empty()) return 0.0;
    const auto last = static_cast<double>(latencies_.size() - 1);
    return 1000 * latencies_[static_cast<size_t>(std::lround(share * last))];
  };
  std::string unwanted;
  for (const Case& asked : cases) {
    if (asked.unwanted.empty()) continue;
    if (!unwanted.empty()) unwanted += ", ";
    unwanted += "\"" + asked.file + "\": " + Json(asked.unwanted);
  }
  std::printf(
      "{\"seconds\": %.3f, \"sent\": %zu, \"answered\": %zu, \"lost\": %zu, "
      "\"wrong\": %zu, \"sent_again\": %zu, \"rate\": %.1f, \"p50_ms\": %.3f, "
      "\"p90_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, "
      "\"max_ms\": %.3f, \"statuses\": %s, \"unwanted\": {%s}}\n",
      seconds, sent_, latencies_.size(), lost_, wrong_, sent_again_,
      static_cast<double>(latencies_.size()) / seconds, at(0.5), at(0.9),
      at(0.99), at(0.999), at(1), Json(statuses_).c_str(), unwanted.c_str());
}
