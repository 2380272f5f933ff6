#include "cc/engine/thread.h"

#include <pthread.h>

#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace engine {
namespace {

thread_local uint64_t number = 0;

}  // namespace

struct Thread::Body {
  absl::Mutex mutex;
  std::function<void()> work ABSL_GUARDED_BY(mutex);  // empty: there is none

  bool Busy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return work != nullptr;
  }
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return work == nullptr;
  }

  void Loop(uint64_t its_number) {
    number = its_number;
    while (true) {
      std::function<void()> task;
      {
        absl::MutexLock lock(&mutex);
        mutex.Await(absl::Condition(this, &Body::Busy));
        task = work;
      }
      task();
      absl::MutexLock lock(&mutex);
      work = nullptr;
    }
  }
};

// Never destroyed, as the threads that it holds.
struct Thread::Pool {
  absl::Mutex mutex;
  std::vector<Body*> idle;
  uint64_t made = 0;
  uint64_t process = 0;  // counts forks
};

Thread::Pool& Thread::Threads() {
  static Pool* const pool = [] {
    pthread_atfork([] { Threads().mutex.Lock(); },
                   [] { Threads().mutex.Unlock(); },
                   [] {
                     Threads().idle.clear();
                     ++Threads().process;
                     Threads().mutex.Unlock();
                   });
    return new Pool;
  }();
  return *pool;
}

Thread::Thread() : body_(Take()) {}

Thread::Body* Thread::Take() {
  Pool& pool = Threads();
  absl::MutexLock lock(&pool.mutex);
  process_ = pool.process;
  if (!pool.idle.empty()) {
    Body* const body = pool.idle.back();
    pool.idle.pop_back();
    return body;
  }
  auto* const body = new Body;
  const uint64_t its_number = ++pool.made;
  std::thread([=] { body->Loop(its_number); }).detach();
  return body;
}

Thread::~Thread() {
  Wait();
  Pool& pool = Threads();
  absl::MutexLock lock(&pool.mutex);
  if (process_ == pool.process) pool.idle.push_back(body_);
}

void Thread::Start(std::function<void()> work) {
  if (process_ != Threads().process) body_ = Take();
  absl::MutexLock lock(&body_->mutex);
  body_->work = std::move(work);
}

void Thread::Wait() {
  if (process_ != Threads().process) return;
  absl::MutexLock lock(&body_->mutex);
  body_->mutex.Await(absl::Condition(body_, &Body::Idle));
}

uint64_t Thread::Number() { return number; }

}  // namespace engine
