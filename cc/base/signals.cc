#include "cc/base/signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace base {
namespace {

std::atomic<int> counter{-1};

void CountOne(int) {
  const int error = errno;  // of what it has interrupted
  const uint64_t one = 1;
  // Full only after 2^64 - 2 signals. One that would be lost ends the process,
  // which could else not be ended by it.
  if (write(counter.load(std::memory_order_relaxed), &one, sizeof(one)) < 0) {
    _exit(1);
  }
  errno = error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Signals>> Signals::Count(
    std::initializer_list<int> numbers) {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, "no file descriptor for signals");
  }
  counter.store(fd, std::memory_order_relaxed);
  std::unique_ptr<Signals> signals(new Signals(fd, numbers));
  struct sigaction action = {};
  action.sa_handler = CountOne;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  for (const int number : numbers) sigaction(number, &action, nullptr);
  return signals;
}

Signals::~Signals() {
  for (const int number : numbers_) signal(number, SIG_DFL);
  close(fd_);
}

uint64_t Signals::Take() {
  uint64_t count = 0;
  return read(fd_, &count, sizeof(count)) > 0 ? count : 0;
}

}  // namespace base
