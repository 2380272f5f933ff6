// A thread that nobody waits for: what it does may hang, and must not keep the
// process from its end.
#ifndef CC_BASE_DETACHED_THREAD_H_
#define CC_BASE_DETACHED_THREAD_H_

#include <functional>

namespace base {

// Runs `f` on a thread of its own, which no signal interrupts; what it uses it
// has to hold. False where there is no thread to be had.
bool RunDetached(std::function<void()> f);

}  // namespace base

#endif  // CC_BASE_DETACHED_THREAD_H_
