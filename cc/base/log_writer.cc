#include "cc/base/log_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <system_error>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/log.h"

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
  bool Gather(std::string* lines);
  void Write(std::string* lines);
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
bool LogWriter::State::Gather(std::string* lines) {
  absl::MutexLock lock(&mutex);
  const auto some = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return stop || !waiting.empty();
  };
  const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) { return Due(); };
  mutex.Await(absl::Condition(&some));
  mutex.AwaitWithTimeout(absl::Condition(&due), kGather);
  urgent = false;
  if (lines->empty()) {
    lines->swap(waiting);
  } else {
    lines->append(waiting);
    waiting.clear();
  }
  taken = lines->size();
  return taken > 0 || !stop;
}

// Leaves the rest of a line that was begun, so that it comes before the next
// one, whenever that is; of what else cannot be written nothing is left.
void LogWriter::State::Write(std::string* lines) {
  size_t at = 0;
  bool stopped = false;
  while (at < lines->size() && !stopped) {
    const size_t size = Portion(absl::string_view(*lines).substr(at));
    const ssize_t n = write(fd, lines->data() + at, size);
    if (n > 0) {
      at += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      pollfd wait = {fd, POLLOUT, 0};
      poll(&wait, 1, 100);
      absl::MutexLock lock(&mutex);
      stopped = abandoned;
    } else if (n == 0 || errno != EINTR) {
      stopped = true;
    }
    absl::MutexLock lock(&mutex);
    taken = lines->size() - at;
  }
  size_t keep = at;
  if (at > 0 && at < lines->size() && (*lines)[at - 1] != '\n') {
    keep = lines->find('\n', at) + 1;
  }
  absl::MutexLock lock(&mutex);
  Lose(static_cast<uint64_t>(std::count(
      lines->begin() + static_cast<ptrdiff_t>(keep), lines->end(), '\n')));
  lines->erase(keep);
  lines->erase(0, at);
  taken = lines->size();
}

void LogWriter::State::Run() {
  std::string lines;
  while (Gather(&lines)) {
    Write(&lines);
    absl::MutexLock lock(&mutex);
    // What cannot be written at the end is not tried again.
    if (stop && waiting.empty()) break;
  }
  absl::MutexLock lock(&mutex);
  done = true;
}

LogWriter::LogWriter(int fd, size_t limit)
    : state_(std::make_shared<State>(fd, limit)) {
  // Signals are for other threads; SIGPIPE, which only a write of this thread
  // could cause, is then an error of the write.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([state = state_] { state->Run(); }).detach();
    running_ = true;
  } catch (const std::system_error&) {
    // The limit of processes: the caller sees it by running().
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() { Stop(absl::ZeroDuration()); }

void LogWriter::Add(absl::string_view line, bool urgent) {
  State& state = *state_;
  absl::MutexLock lock(&state.mutex);
  const size_t held = state.waiting.size() + state.taken;
  if (state.stop || held + line.size() > state.limit) return state.Lose(1);
  if (state.untold > 0) {
    const std::string told = absl::StrCat(
        LogHead(absl::Now(), LogLevel::kWarning, "log lines were lost"),
        ",\"lines\":", state.untold, "}\n");
    if (held + told.size() + line.size() > state.limit) return state.Lose(1);
    state.untold = 0;
    state.waiting.append(told);
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
