// What log lines go through: a bounded buffer and the thread that empties it.
#ifndef CC_BASE_LOG_WRITER_H_
#define CC_BASE_LOG_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace base {

// Thread-safe.
class LogWriter {
 public:
  // Writes to fd, which stays its owner's, and holds at most `limit` bytes.
  LogWriter(int fd, size_t limit);
  ~LogWriter();  // Stop(absl::ZeroDuration()), where it has not been called
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // False where there is no thread to be had.
  bool running() const { return running_; }

  // Takes a line with its end, or loses it. Never waits. An urgent one is
  // written at once, others may wait for more to come.
  void Add(absl::string_view line, bool urgent);

  // Writes what is left, for at most so long; true if all of it was. A thread
  // whose write does not return is left behind, with what it needs.
  bool Stop(absl::Duration at_most);

  uint64_t dropped() const;

 private:
  struct State;
  const std::shared_ptr<State> state_;
  bool running_ = false;
};

}  // namespace base

#endif  // CC_BASE_LOG_WRITER_H_
