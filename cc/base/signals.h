// Signals as numbers that a loop or poll(2) can wait for. By a handler and not
// by a signalfd: libpaddle starts a thread before main, which blocks no signal,
// and would be given those that others block.
#ifndef CC_BASE_SIGNALS_H_
#define CC_BASE_SIGNALS_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"

namespace base {

// One in a process. One that was forked may make its own, and else counts for
// its parent.
class Signals {
 public:
  // From now on these have no effect but to be counted; of SIGCHLD, ends only.
  // An error where there is no file descriptor.
  static absl::StatusOr<std::unique_ptr<Signals>> Count(
      std::initializer_list<int> numbers);
  // They have their usual effects.
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Readable when some have come.
  int fd() const { return fd_; }
  // How many have come since it was asked last.
  uint64_t Take();

 private:
  Signals(int fd, std::initializer_list<int> numbers)
      : fd_(fd), numbers_(numbers) {}

  const int fd_;
  const std::vector<int> numbers_;
};

}  // namespace base

#endif  // CC_BASE_SIGNALS_H_
