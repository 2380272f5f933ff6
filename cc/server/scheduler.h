// Runs requests of one model on its instances: a bounded queue, first come
// first served, and one thread an instance.
#ifndef CC_SERVER_SCHEDULER_H_
#define CC_SERVER_SCHEDULER_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cc/engine/thread.h"
#include "cc/server/backend.h"

namespace server {

using Clock = std::chrono::steady_clock;

struct Timing {
  Clock::duration queue{};    // from Enqueue to the start
  Clock::duration compute{};  // in the engine
};

struct InferTask {
  // Called exactly once, on the thread of an instance.
  using Done =
      std::function<void(absl::StatusOr<std::vector<engine::Tensor>> results,
                         const Timing& timing)>;
  std::vector<engine::Tensor> inputs;
  Done done;
};

// Thread-safe.
class Scheduler {
 public:
  // At most `max_queue` tasks wait, besides those that run.
  Scheduler(std::vector<std::unique_ptr<Instance>> instances, size_t max_queue);
  ~Scheduler() { Stop(); }
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // RESOURCE_EXHAUSTED if the queue is full; the task is dropped then and its
  // `done` is not called.
  absl::Status Enqueue(InferTask task);

  // Drops what is queued (its `done` is destroyed, not called), finishes what
  // runs, and gives back the threads. Nothing may be queued from now on.
  void Stop();

  size_t queued() const;
  size_t running() const;
  size_t max_queue() const { return max_queue_; }

 private:
  struct Entry {
    InferTask task;
    Clock::time_point since;
  };

  void Work(Instance* instance);
  bool WorkOrStop() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }

  const std::vector<std::unique_ptr<Instance>> instances_;
  const size_t max_queue_;
  mutable absl::Mutex mutex_;
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<engine::Thread>> threads_;
};

}  // namespace server

#endif  // CC_SERVER_SCHEDULER_H_
