#include "cc/engine/thread.h"

#include <pthread.h>

#include <memory>
#include <mutex>
#include <new>
#include <system_error>
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
  std::mutex mutex;
  std::vector<Body*> idle;
  uint64_t made = 0;
  uint64_t process = 0;  // counts forks
};

Thread::Pool& Thread::Threads() {
  static Pool* const pool = [] {
    pthread_atfork([] { Threads().mutex.lock(); },
                   [] { Threads().mutex.unlock(); },
                   [] {
                     // Not unlocked: who waits in the parent is not here to be
                     // woken.
                     new (&Threads().mutex) std::mutex;
                     Threads().idle.clear();
                     ++Threads().process;
                   });
    return new Pool;
  }();
  return *pool;
}

bool Thread::Take() {
  Pool& pool = Threads();
  std::lock_guard<std::mutex> lock(pool.mutex);
  if (!pool.idle.empty()) {
    body_ = pool.idle.back();
    pool.idle.pop_back();
  } else {
    auto body = std::make_unique<Body>();
    const uint64_t its_number = pool.made + 1;
    try {
      std::thread([body = body.get(), its_number] {
        body->Loop(its_number);
      }).detach();
    } catch (const std::system_error&) {
      return false;
    }
    pool.made = its_number;
    body_ = body.release();
  }
  process_ = pool.process;
  return true;
}

bool Thread::Lent() const {
  return body_ != nullptr && process_ == Threads().process;
}

Thread::~Thread() {
  Wait();
  if (!Lent()) return;
  Pool& pool = Threads();
  std::lock_guard<std::mutex> lock(pool.mutex);
  pool.idle.push_back(body_);
}

bool Thread::Start(std::function<void()> work) {
  if (!Lent() && !Take()) return false;
  absl::MutexLock lock(&body_->mutex);
  body_->mutex.Await(absl::Condition(body_, &Body::Idle));
  body_->work = std::move(work);
  return true;
}

void Thread::Wait() {
  if (!Lent()) return;
  absl::MutexLock lock(&body_->mutex);
  body_->mutex.Await(absl::Condition(body_, &Body::Idle));
}

uint64_t Thread::Number() { return number; }

}  // namespace engine
