// A thread for what would hold up the loop.
#ifndef CC_BASE_HELPER_THREAD_H_
#define CC_BASE_HELPER_THREAD_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/loop.h"

namespace base {

// On the loop's thread.
class HelperThread {
 public:
  // At most `max_waiting` tasks wait besides the one that runs. The loop must
  // outlive it.
  HelperThread(Loop* loop, size_t max_waiting);
  // Waits for the task that runs; what waits is destroyed, not called.
  ~HelperThread();
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;

  // Calls `work` on the thread and then `done` on the loop's, where both are
  // destroyed, so that what they hold may belong to it. False where too much
  // waits, or where there was no thread to be had.
  bool Run(std::function<void()> work, std::function<void()> done);

 private:
  struct Task {
    std::function<void()> work;
    std::function<void()> done;
  };
  void Serve();

  Loop* const loop_;
  const size_t max_waiting_;
  absl::Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace base

#endif  // CC_BASE_HELPER_THREAD_H_
