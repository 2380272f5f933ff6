// A thread that is given no signals: they are for others.
#ifndef CC_BASE_THREAD_H_
#define CC_BASE_THREAD_H_

#include <functional>
#include <thread>

namespace base {

// Runs `work` with all signals blocked. Not joinable where there was no thread
// to be had: the limit of processes.
std::thread StartThread(std::function<void()> work);

}  // namespace base

#endif  // CC_BASE_THREAD_H_
