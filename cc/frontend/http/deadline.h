// A time by which something must have happened. It is put off far more often
// than it strikes.
#ifndef CC_FRONTEND_HTTP_DEADLINE_H_
#define CC_FRONTEND_HTTP_DEADLINE_H_

#include <functional>
#include <optional>
#include <utility>

#include "cc/base/loop.h"

namespace http {

class Deadline {
 public:
  // `f` is called when it strikes. May be destroyed in its own call.
  Deadline(base::Loop* loop, std::function<void()> f)
      : f_(std::move(f)), timer_(loop, [this] { OnTimer(); }) {}

  // From now on; one that was set before is forgotten.
  void Set(base::Clock::duration after) {
    at_ = base::Clock::now() + after;
    if (due_.has_value() && *due_ <= *at_) return;
    due_ = at_;
    timer_.Start(after);
  }
  void Clear() { at_.reset(); }

 private:
  void OnTimer() {
    due_.reset();
    if (!at_.has_value()) return;
    const auto left = *at_ - base::Clock::now();
    if (left > left.zero()) {
      due_ = at_;
      return timer_.Start(left);
    }
    at_.reset();
    const std::function<void()> f = f_;  // goes with this, maybe in its call
    f();
  }

  const std::function<void()> f_;
  // The timer strikes at `due_`: it is started anew only if it would be late.
  std::optional<base::Clock::time_point> at_;
  std::optional<base::Clock::time_point> due_;
  base::Timer timer_;
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_DEADLINE_H_
