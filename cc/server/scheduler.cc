#include "cc/server/scheduler.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace server {

Scheduler::Scheduler(std::vector<std::unique_ptr<Instance>> instances,
                     size_t max_queue)
    : instances_(std::move(instances)),
      max_queue_(max_queue),
      idle_(instances_.size()) {
  for (const auto& instance : instances_) {
    threads_.push_back(std::make_unique<engine::Thread>());
    threads_.back()->Start([this, i = instance.get()] { Work(i); });
  }
}

void Scheduler::Stop() {
  std::deque<Entry> dropped;  // destroyed without the lock
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    dropped.swap(queue_);
  }
  threads_.clear();  // waits
}

absl::Status Scheduler::Enqueue(InferTask task) {
  const auto now = Clock::now();
  absl::MutexLock lock(&mutex_);
  // What an idle thread is about to take does not count as waiting.
  if (queue_.size() >= max_queue_ + idle_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the queue is full (", max_queue_, " requests wait); try again later"));
  }
  queue_.push_back({std::move(task), now});
  return absl::OkStatus();
}

size_t Scheduler::queued() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

size_t Scheduler::running() const {
  absl::MutexLock lock(&mutex_);
  return instances_.size() - idle_;
}

void Scheduler::Work(Instance* instance) {
  while (true) {
    Entry entry;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Scheduler::WorkOrStop));
      if (stopping_) return;
      entry = std::move(queue_.front());
      queue_.pop_front();
      --idle_;
    }
    Timing timing;
    const auto start = Clock::now();
    timing.queue = start - entry.since;
    auto results = instance->Run(entry.task.inputs);
    timing.compute = Clock::now() - start;
    // Idle before the answer goes out: a client that answers at once with its
    // next request must not find this thread busy.
    {
      absl::MutexLock lock(&mutex_);
      ++idle_;
    }
    entry.task.done(std::move(results), timing);
  }
}

}  // namespace server
