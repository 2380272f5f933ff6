// How long what has ended waits before it starts again.
#ifndef CC_INFER_BACKOFF_H_
#define CC_INFER_BACKOFF_H_

#include <chrono>
#include <cstddef>
#include <deque>

#include "cc/infer/call.h"

namespace infer {

// One request in a thousand that ends a worker shall cost the others no more
// than a start, and a worker that cannot live shall not keep a CPU busy with
// starts. `most` is short, as whoever asks for the model waits so long at each
// end: a client that ends it again and again must not keep it from others.
struct BackoffPolicy {
  Clock::duration window = std::chrono::minutes(1);
  // So many ends within the window are followed by a start at once; each
  // further one waits twice as long as the one before, from `first` to `most`.
  size_t at_once = 3;
  Clock::duration first = std::chrono::milliseconds(100);
  Clock::duration most = std::chrono::seconds(3);
};

// Pure: it has no clock of its own.
class Backoff {
 public:
  explicit Backoff(const BackoffPolicy& policy) : policy_(policy) {}

  // It ended `now`; how long it has to wait. Times never go back.
  Clock::duration Next(Clock::time_point now) {
    while (!ends_.empty() && ends_.front() <= now - policy_.window) {
      ends_.pop_front();
    }
    ends_.push_back(now);
    Clock::duration wait{};
    for (size_t i = policy_.at_once; i < ends_.size() && wait < policy_.most;
         ++i) {
      wait = wait == Clock::duration::zero() ? policy_.first : 2 * wait;
    }
    return wait < policy_.most ? wait : policy_.most;
  }

 private:
  const BackoffPolicy policy_;
  std::deque<Clock::time_point> ends_;  // within the window
};

}  // namespace infer

#endif  // CC_INFER_BACKOFF_H_
