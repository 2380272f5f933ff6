#include "cc/base/helper_thread.h"

#include <chrono>
#include <memory>
#include <new>
#include <utility>

#include "cc/base/thread.h"

namespace base {

HelperThread::HelperThread(Loop* loop, size_t max_waiting)
    : loop_(loop),
      max_waiting_(max_waiting),
      thread_(StartThread([this] { Serve(); })) {}

HelperThread::~HelperThread() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool HelperThread::Run(std::function<void()> work, std::function<void()> done) {
  if (!thread_.joinable()) return false;
  absl::MutexLock lock(&mutex_);
  if (tasks_.size() >= max_waiting_) return false;
  tasks_.push_back({std::move(work), std::move(done)});
  return true;
}

void HelperThread::Serve() {
  while (true) {
    // Shared, as a std::function can be copied and its copies would live here.
    auto task = std::make_shared<Task>();
    {
      absl::MutexLock lock(&mutex_);
      const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return stop_ || !tasks_.empty();
      };
      mutex_.Await(absl::Condition(&due));
      if (stop_) return;
      *task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    try {
      task->work();
    } catch (const std::bad_alloc&) {
      // `done` finds that nothing was done.
    }
    while (true) {
      try {
        // Taken out there: this thread may let go of the task last.
        loop_->Post([task] { std::exchange(*task, {}).done(); });
        break;
      } catch (const std::bad_alloc&) {
        // Somebody waits for it: others will have given some back.
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    }
  }
}

}  // namespace base
