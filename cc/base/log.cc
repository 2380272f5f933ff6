#include "cc/base/log.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <utility>

#include "absl/base/const_init.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/json.h"
#include "cc/base/log_writer.h"
#include "cc/base/text.h"

namespace base {
namespace {

constexpr absl::string_view kNames[] = {"debug", "info", "warning", "error"};
// Some 4,000 lines: a second or so of full load.
constexpr size_t kWriterBytes = 1 << 20;

std::atomic<LogLevel> level_now{LogLevel::kInfo};
// Never destroyed: whoever logs last may do so after main.
std::atomic<LogWriter*> writer{nullptr};
std::atomic<bool> stopped{false};
std::atomic<uint64_t> dropped_directly{0};
ABSL_CONST_INIT absl::Mutex direct_mutex(absl::kConstInit);

// The lock keeps lines whole where a pipe takes only a part at once.
void WriteDirectly(absl::string_view line) {
  absl::MutexLock lock(&direct_mutex);
  while (!line.empty()) {
    const ssize_t n = write(STDOUT_FILENO, line.data(), line.size());
    if (n > 0) {
      line.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    pollfd wait = {STDOUT_FILENO, POLLOUT, 0};
    if (n < 0 && errno == EAGAIN && poll(&wait, 1, 1000) > 0) continue;
    dropped_directly.fetch_add(1, std::memory_order_relaxed);
    return;
  }
}

// "2026-07-11T09:30:00", made once a second.
absl::string_view Second(int64_t unix_seconds) {
  thread_local int64_t second = -1;
  thread_local std::string text;
  if (second != unix_seconds) {
    second = unix_seconds;
    text = absl::FormatTime("%Y-%m-%dT%H:%M:%S",
                            absl::FromUnixSeconds(unix_seconds),
                            absl::UTCTimeZone());
  }
  return text;
}

}  // namespace

absl::Status ParseLogLevel(absl::string_view text, LogLevel* level) {
  for (size_t i = 0; i < 4; ++i) {
    if (kNames[i] == text) {
      *level = static_cast<LogLevel>(i);
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "log level ", Quote(text), " is none of debug, info, warning, error"));
}

void SetLogLevel(LogLevel level) { level_now = level; }

bool LogEnabled(LogLevel level) {
  return level >= level_now.load(std::memory_order_relaxed);
}

absl::Status LogStart() {
  auto started = std::make_unique<LogWriter>(STDOUT_FILENO, kWriterBytes);
  if (!started->running()) {
    return absl::ResourceExhaustedError(
        "the log's thread cannot be started: the limit of processes (ulimit "
        "-u, pids.max of the container) is reached");
  }
  writer = started.release();
  return absl::OkStatus();
}

void LogStop(absl::Duration at_most) {
  LogWriter* const thread = writer.load();
  // Where all was written somebody reads, and later lines are written directly.
  if (thread != nullptr && thread->Stop(at_most)) stopped = true;
}

uint64_t LogLinesDropped() {
  const LogWriter* all = writer.load();
  return dropped_directly.load(std::memory_order_relaxed) +
         (all != nullptr ? all->dropped() : 0);
}

std::string LogHead(absl::Time time, LogLevel level,
                    absl::string_view message) {
  const int64_t us = absl::ToUnixMicros(time);
  const int64_t seconds = us / 1'000'000;
  std::string line = absl::StrCat(
      "{\"ts\":\"", Second(seconds), ".",
      absl::Dec(us - seconds * 1'000'000, absl::kZeroPad6), "Z\",\"level\":\"",
      kNames[static_cast<size_t>(level)], "\",\"msg\":");
  AppendJsonString(message, &line);
  return line;
}

Log::Log(LogLevel level, absl::string_view message)
    : level_(level), on_(LogEnabled(level)) {
  if (on_) line_ = LogHead(absl::Now(), level, message);
}

Log::~Log() {
  if (!on_) return;
  line_.append("}\n");
  LogWriter* thread = writer.load(std::memory_order_acquire);
  if (thread != nullptr && !stopped.load(std::memory_order_relaxed)) {
    thread->Add(line_, level_ >= LogLevel::kError);
  } else {
    WriteDirectly(line_);
  }
}

void Log::AppendKey(absl::string_view key) {
  absl::StrAppend(&line_, ",\"", key, "\":");
}

void Log::Append(absl::string_view key, absl::string_view value, size_t max) {
  AppendKey(key);
  AppendJsonString(Clip(value, max), &line_);
  if (value.size() > max) line_.insert(line_.size() - 1, "...");
}

void Log::Append(absl::string_view key, double value) {
  AppendKey(key);
  if (!AppendJsonNumber(value, &line_)) line_.append("null");
}

void Log::Append(absl::string_view key, bool value) {
  AppendKey(key);
  line_.append(value ? "true" : "false");
}

void Log::AppendInteger(absl::string_view key, int64_t value) {
  AppendKey(key);
  AppendJsonNumber(value, &line_);
}

}  // namespace base
