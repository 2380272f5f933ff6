#include "cc/base/log_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/log.h"
#include "cc/base/thread.h"

namespace base {
namespace {

// Lines are gathered for so long: 50 wakes of the thread a second and not one a
// line.
constexpr absl::Duration kGather = absl::Milliseconds(20);

}  // namespace

struct LogWriter::State {
  State(int fd, size_t limit) : fd(fd), limit(limit) {}

  const int fd;
  const size_t limit;
  std::atomic<uint64_t> dropped{0};

  absl::Mutex mutex;
  std::string waiting ABSL_GUARDED_BY(mutex);
  // Bytes that the thread has taken and not yet written: part of the limit.
  size_t taken ABSL_GUARDED_BY(mutex) = 0;
  uint64_t untold ABSL_GUARDED_BY(mutex) = 0;  // lost, and no line says so
  bool urgent ABSL_GUARDED_BY(mutex) = false;
  bool stop ABSL_GUARDED_BY(mutex) = false;
  bool abandoned ABSL_GUARDED_BY(mutex) = false;  // nobody waits for the thread
  bool done ABSL_GUARDED_BY(mutex) = false;

  void Lose(uint64_t lines) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    dropped.fetch_add(lines, std::memory_order_relaxed);
    untold += lines;
  }
  bool Due() const ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return stop || urgent || waiting.size() > limit / 2;
  }

  void Run();
  bool Gather();
  void Write();

  // Of the thread alone:
  std::string lines;     // that it writes
  bool begun = false;    // a part of the first of them is written already
  uint64_t telling = 0;  // what the last of them says to be lost; 0: it is none
};

namespace {

// How much of the lines goes into one write: whole lines, as many as a pipe
// takes at once or not at all (PIPE_BUF), so that those of other processes on
// the same pipe do not come between; a longer line alone.
size_t Portion(absl::string_view lines) {
  if (lines.size() <= PIPE_BUF) return lines.size();
  const size_t last = lines.rfind('\n', PIPE_BUF - 1);
  return (last != lines.npos ? last : lines.find('\n')) + 1;
}

}  // namespace

// False at the end.
bool LogWriter::State::Gather() {
  absl::MutexLock lock(&mutex);
  const auto some = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return stop || !waiting.empty();
  };
  const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) { return Due(); };
  mutex.Await(absl::Condition(&some));
  mutex.AwaitWithTimeout(absl::Condition(&due), kGather);
  urgent = false;
  if (lines.empty()) {
    lines.swap(waiting);
  } else {
    lines.append(waiting);
    waiting.clear();
  }
  telling = std::exchange(untold, 0);
  if (telling > 0) {
    absl::StrAppend(
        &lines, LogHead(absl::Now(), LogLevel::kWarning, "log lines were lost"),
        ",\"lines\":", telling, "}\n");
  }
  taken = lines.size();
  return taken > 0 || !stop;
}

// Leaves the rest of a line that was begun, so that it comes before the next
// one, whenever that is; of what else cannot be written nothing is left.
void LogWriter::State::Write() {
  size_t at = 0;
  bool stopped = false;
  while (at < lines.size() && !stopped) {
    const size_t size = Portion(absl::string_view(lines).substr(at));
    const ssize_t n = write(fd, lines.data() + at, size);
    if (n > 0) {
      at += static_cast<size_t>(n);
      begun = lines[at - 1] != '\n';
    } else if (n < 0 && errno == EAGAIN) {
      pollfd wait = {fd, POLLOUT, 0};
      poll(&wait, 1, 100);
      absl::MutexLock lock(&mutex);
      stopped = abandoned;
    } else if (n == 0 || errno != EINTR) {
      stopped = true;
    }
    absl::MutexLock lock(&mutex);
    taken = lines.size() - at;
  }
  const size_t keep = begun ? lines.find('\n', at) + 1 : at;
  auto lost = static_cast<uint64_t>(std::count(
      lines.begin() + static_cast<ptrdiff_t>(keep), lines.end(), '\n'));
  absl::MutexLock lock(&mutex);
  if (lost > 0 && telling > 0) {
    --lost;  // the last one, and so it is still to be told
    untold += telling;
  }
  Lose(lost);
  lines.erase(keep);
  lines.erase(0, at);
  taken = lines.size();
}

void LogWriter::State::Run() {
  while (Gather()) {
    Write();
    absl::MutexLock lock(&mutex);
    // What cannot be written at the end is not tried again.
    if (stop && waiting.empty()) break;
  }
  absl::MutexLock lock(&mutex);
  done = true;
}

LogWriter::LogWriter(int fd, size_t limit)
    : state_(std::make_shared<State>(fd, limit)) {
  // SIGPIPE, which only a write of this thread could cause, is blocked there
  // and then an error of the write.
  std::thread thread = StartThread([state = state_] { state->Run(); });
  running_ = thread.joinable();
  if (running_) thread.detach();
}

LogWriter::~LogWriter() { Stop(absl::ZeroDuration()); }

void LogWriter::Add(absl::string_view line, bool urgent) {
  State& state = *state_;
  absl::MutexLock lock(&state.mutex);
  if (state.stop ||
      state.waiting.size() + state.taken + line.size() > state.limit) {
    return state.Lose(1);
  }
  state.waiting.append(line.data(), line.size());
  state.urgent = state.urgent || urgent;
}

bool LogWriter::Stop(absl::Duration at_most) {
  State& state = *state_;
  absl::MutexLock lock(&state.mutex);
  state.stop = true;
  if (running_) {
    state.mutex.AwaitWithTimeout(absl::Condition(&state.done), at_most);
  }
  state.abandoned = true;
  return state.done && state.taken == 0 && state.waiting.empty();
}

uint64_t LogWriter::dropped() const {
  return state_->dropped.load(std::memory_order_relaxed);
}

}  // namespace base
