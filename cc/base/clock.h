// Time as all here counts it: it never goes back.
#ifndef CC_BASE_CLOCK_H_
#define CC_BASE_CLOCK_H_

#include <chrono>

namespace base {

using Clock = std::chrono::steady_clock;

// As metrics and the log tell it.
inline double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace base

#endif  // CC_BASE_CLOCK_H_
