#include "cc/base/loop.h"

#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>


namespace base {
namespace {

timeval ToTimeval(Clock::duration duration) {
  const auto us = std::max<int64_t>(
      0, std::chrono::duration_cast<std::chrono::microseconds>(duration)
             .count());
  return {static_cast<time_t>(us / 1'000'000),
          static_cast<suseconds_t>(us % 1'000'000)};
}

}  // namespace

void Loop::Free::operator()(event_base* base) const { event_base_free(base); }
void Loop::Free::operator()(event* event) const { event_free(event); }

Loop::Loop() : base_(event_base_new()) {
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  // Edge-triggered: each Wake is an event, and nobody need read the counter.
  wake_.reset(event_new(
      base_.get(), wake_fd_, EV_READ | EV_PERSIST | EV_ET,
      [](evutil_socket_t, short, void* self) {
        static_cast<Loop*>(self)->RunPosted();
      },
      this));
  event_add(wake_.get(), nullptr);
}

Loop::~Loop() {
  wake_.reset();
  close(wake_fd_);
}

void Loop::Run() {
  while (!stop_.load(std::memory_order_acquire)) {
    if (event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
      break;
    RunDeferred();
  }
  stop_.store(false, std::memory_order_release);
}

void Loop::Stop() {
  stop_.store(true, std::memory_order_release);
  Wake();
}

void Loop::Wake() {
  const uint64_t one = 1;
  // Full only after 2^64 - 2 wakes, which nobody lives to see.
  if (write(wake_fd_, &one, sizeof(one)) < 0) return;
}

void Loop::Post(std::function<void()> f) {
  {
    absl::MutexLock lock(&mutex_);
    posted_.push_back(std::move(f));
    if (posted_.size() > 1) return;  // the wake of the first is on its way
  }
  Wake();
}

void Loop::RunPosted() {
  std::vector<std::function<void()>> posted;
  {
    absl::MutexLock lock(&mutex_);
    posted.swap(posted_);
  }
  for (auto& f : posted) f();
}

void Loop::Defer(std::function<void()> f) { deferred_.push_back(std::move(f)); }

void Loop::RunDeferred() {
  // By index: a call may defer more.
  for (size_t i = 0; i < deferred_.size(); ++i) {
    const std::function<void()> f = std::move(deferred_[i]);
    f();
  }
  deferred_.clear();
}

// Lives on while its own call runs.
struct Watch::Body {
  std::function<void(bool, bool)> f;
  event_base* base;
  int fd;
  event* what = nullptr;
  bool read = false;
  bool write = false;
  std::weak_ptr<Body> self;

  static void Ready(evutil_socket_t, short events, void* body) {
    const std::shared_ptr<Body> keep = static_cast<Body*>(body)->self.lock();
    if (keep) keep->f(events & EV_READ, events & EV_WRITE);
  }
};

Watch::Watch(Loop* loop, int fd, std::function<void(bool, bool)> f)
    : body_(std::make_shared<Body>()) {
  body_->f = std::move(f);
  body_->base = loop->base();
  body_->fd = fd;
  body_->self = body_;
}

Watch::~Watch() {
  if (body_->what != nullptr) event_free(body_->what);
  body_->what = nullptr;
}

void Watch::Want(bool read, bool write) {
  if (read == body_->read && write == body_->write) return;
  body_->read = read;
  body_->write = write;
  if (body_->what == nullptr) {
    body_->what = event_new(body_->base, body_->fd, 0, Body::Ready, body_.get());
  }
  event_del(body_->what);
  if (!read && !write) return;
  event_assign(body_->what, body_->base, body_->fd,
               static_cast<short>((read ? EV_READ : 0) |
                                  (write ? EV_WRITE : 0) | EV_PERSIST),
               Body::Ready, body_.get());
  event_add(body_->what, nullptr);
}

struct Timer::Body {
  std::function<void()> f;
  event* what = nullptr;
  std::weak_ptr<Body> self;

  static void Due(evutil_socket_t, short, void* body) {
    const std::shared_ptr<Body> keep = static_cast<Body*>(body)->self.lock();
    if (keep) keep->f();
  }
};

Timer::Timer(Loop* loop, std::function<void()> f)
    : body_(std::make_shared<Body>()) {
  body_->f = std::move(f);
  body_->self = body_;
  body_->what = event_new(loop->base(), -1, 0, Body::Due, body_.get());
}

Timer::~Timer() {
  event_free(body_->what);
  body_->what = nullptr;
}

void Timer::Start(Clock::duration after) {
  const timeval time = ToTimeval(after);
  event_add(body_->what, &time);
}

void Timer::Stop() { event_del(body_->what); }

}  // namespace base
