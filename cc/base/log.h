// Log lines on stdout, one JSON object a line:
//   {"ts":"2026-07-11T09:30:00.123456Z","level":"info","msg":"listening",...}
//
//   base::Log(base::LogLevel::kInfo, "listening").With("port", port);
//
// Whoever logs never waits for whoever reads: lines go into a bounded buffer,
// and a thread of its own writes them. Where the reader falls behind, lines are
// lost whole and counted, and a line says how many before the next one.
#ifndef CC_BASE_LOG_H_
#define CC_BASE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

absl::Status ParseLogLevel(absl::string_view text, LogLevel* level);

// Lines below this level are dropped; kInfo at first. Thread-safe.
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

// Starts the thread that writes. Until then, and in a child that forks before
// it, lines are written by whoever logs. A fork after it leaves the child
// without the thread: fork first.
// RESOURCE_EXHAUSTED where there is no thread to be had.
absl::Status LogStart();
// Writes what is left, for at most so long, and ends the thread. Lines that
// come later are written by whoever logs; where the reader has stopped they are
// lost.
void LogStop(absl::Duration at_most);
// Lines lost so far.
uint64_t LogLinesDropped();

// One line, written when it goes. Does nothing, and looks at nothing, where the
// level is off.
class Log {
 public:
  // What a value is cut to where no other bound is told.
  static constexpr size_t kMaxValue = 500;

  Log(LogLevel level, absl::string_view message);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Keys are constants of the program; values may be anything. A longer string
  // is cut and ends in "...".
  Log& With(absl::string_view key, absl::string_view value,
            size_t max = kMaxValue) {
    if (on_) Append(key, value, max);
    return *this;
  }
  Log& With(absl::string_view key, const char* value) {
    return With(key, absl::string_view(value));
  }
  Log& With(absl::string_view key, const std::string& value) {
    return With(key, absl::string_view(value));
  }
  Log& With(absl::string_view key, double value) {
    if (on_) Append(key, value);
    return *this;
  }
  Log& With(absl::string_view key, bool value) {
    if (on_) Append(key, value);
    return *this;
  }
  template <typename Integer,
            std::enable_if_t<std::is_integral_v<Integer> &&
                                 !std::is_same_v<Integer, bool>,
                             int> = 0>
  Log& With(absl::string_view key, Integer value) {
    if (on_) AppendInteger(key, static_cast<int64_t>(value));
    return *this;
  }

 private:
  void Append(absl::string_view key, absl::string_view value, size_t max);
  void Append(absl::string_view key, double value);
  void Append(absl::string_view key, bool value);
  void AppendInteger(absl::string_view key, int64_t value);
  void AppendKey(absl::string_view key);

  const LogLevel level_;
  const bool on_;
  std::string line_;
};

// The start of a line: time, level and message, without an end.
std::string LogHead(absl::Time time, LogLevel level, absl::string_view message);

}  // namespace base

#endif  // CC_BASE_LOG_H_
