// Log lines on stdout, one JSON object a line:
//   {"ts":"2026-07-11T09:30:00.123456Z","level":"info","msg":"listening",...}
#ifndef CC_SERVER_LOG_H_
#define CC_SERVER_LOG_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace server {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogValue = std::variant<bool, int64_t, double, std::string>;
// Keys are constants of the program; values may be anything.
using LogFields = std::vector<std::pair<absl::string_view, LogValue>>;

absl::Status ParseLogLevel(absl::string_view text, LogLevel* level);

// Lines below this level are dropped; kInfo at first. Thread-safe, as Log is.
void SetLogLevel(LogLevel level);
void Log(LogLevel level, absl::string_view message,
         const LogFields& fields = {});

// The line that Log writes, with its end.
std::string FormatLogLine(absl::Time time, LogLevel level,
                          absl::string_view message, const LogFields& fields);

}  // namespace server

#endif  // CC_SERVER_LOG_H_
