#include "cc/server/log.h"

#include <errno.h>
#include <unistd.h>

#include <atomic>

#include "absl/base/const_init.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/server/json.h"

namespace server {
namespace {

constexpr absl::string_view kNames[] = {"debug", "info", "warning", "error"};

std::atomic<LogLevel> level_now{LogLevel::kInfo};
ABSL_CONST_INIT absl::Mutex write_mutex(absl::kConstInit);

struct AppendValue {
  std::string* out;
  void operator()(bool value) const { out->append(value ? "true" : "false"); }
  void operator()(int64_t value) const { AppendJsonNumber(value, out); }
  void operator()(double value) const {
    if (!AppendJsonNumber(value, out)) out->append("null");
  }
  void operator()(const std::string& value) const {
    AppendJsonString(value, out);
  }
};

}  // namespace

absl::Status ParseLogLevel(absl::string_view text, LogLevel* level) {
  for (size_t i = 0; i < 4; ++i) {
    if (kNames[i] == text) {
      *level = static_cast<LogLevel>(i);
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "log level \"", text, "\" is none of debug, info, warning, error"));
}

void SetLogLevel(LogLevel level) { level_now = level; }

std::string FormatLogLine(absl::Time time, LogLevel level,
                          absl::string_view message, const LogFields& fields) {
  std::string line = absl::StrCat(
      "{\"ts\":\"",
      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone()),
      "\",\"level\":\"", kNames[static_cast<size_t>(level)], "\",\"msg\":");
  AppendJsonString(message, &line);
  for (const auto& [key, value] : fields) {
    absl::StrAppend(&line, ",\"", key, "\":");
    std::visit(AppendValue{&line}, value);
  }
  line.append("}\n");
  return line;
}

void Log(LogLevel level, absl::string_view message, const LogFields& fields) {
  if (level < level_now.load(std::memory_order_relaxed)) return;
  const std::string line = FormatLogLine(absl::Now(), level, message, fields);
  // The lock keeps lines whole where a pipe takes only a part at once.
  absl::MutexLock lock(&write_mutex);
  for (size_t done = 0; done < line.size();) {
    const ssize_t n =
        write(STDOUT_FILENO, line.data() + done, line.size() - done);
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      return;  // nobody reads: the request matters more than its log line
    }
  }
}

}  // namespace server
