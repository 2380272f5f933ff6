#include "cc/base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"

namespace base {
namespace {

timeval ToTimeval(Clock::duration duration) {
  const auto us = std::max<int64_t>(
      0,
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
  return {static_cast<time_t>(us / 1'000'000),
          static_cast<suseconds_t>(us % 1'000'000)};
}

// Where a base gets no descriptors (3), libevent 2.1 ends the process; so
// whether there are some is seen to first.
event_base* NewBase() {
  std::array<int, 3> fds;
  for (int& fd : fds) fd = eventfd(0, EFD_CLOEXEC);
  const int error = errno;
  bool enough = true;
  for (const int fd : fds) {
    if (fd >= 0) {
      close(fd);
    } else {
      enough = false;
    }
  }
  errno = error;
  return enough ? event_base_new() : nullptr;
}

// Nothing may be thrown through libevent's C frames. What a call could not do
// for want of memory is not done, and what it held goes: who waits for that is
// told by its end. Everything else is a fault of the program.
template <typename F>
void WithoutBadAlloc(const F& f) {
  try {
    f();
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace

void Loop::Free::operator()(event_base* base) const { event_base_free(base); }
void Loop::Free::operator()(event* event) const { event_free(event); }

Loop::Loop()
    : base_(NewBase()), wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (base_ == nullptr || wake_fd_ < 0) {
    status_ = absl::ResourceExhaustedError(absl::StrCat(
        "cannot make an event loop: ", strerror(errno),
        "; raise the limit of open files (ulimit -n) or of memory"));
    return;
  }
  // Edge-triggered: each Wake is an event, and nobody need read the counter.
  wake_.reset(event_new(
      base_.get(), wake_fd_, EV_READ | EV_PERSIST | EV_ET,
      [](evutil_socket_t, short, void* self) {
        static_cast<Loop*>(self)->RunPosted();
      },
      this));
  if (wake_ == nullptr || event_add(wake_.get(), nullptr) != 0) {
    status_ = absl::ResourceExhaustedError(
        "cannot make an event loop: no memory for its event");
  }
}

Loop::~Loop() {
  wake_.reset();
  if (wake_fd_ >= 0) close(wake_fd_);
}

void Loop::Run() {
  RunDeferred();
  while (!stop_.load(std::memory_order_acquire)) {
    const auto next = std::exchange(next_, {});
    const int how =
        next.empty() ? EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY : EVLOOP_NONBLOCK;
    if (event_base_loop(base_.get(), how) < 0) break;
    deferred_.insert(deferred_.end(), next.begin(), next.end());
    RunDeferred();
  }
  stop_.store(false, std::memory_order_release);
}

void Loop::Stop() {
  stop_.store(true, std::memory_order_release);
  Wake();
}

void Loop::Wake() {
  const int error = errno;  // of what a signal has interrupted
  const uint64_t one = 1;
  // Full only after 2^64 - 2 wakes, which nobody lives to see.
  if (write(wake_fd_, &one, sizeof(one)) < 0) errno = error;
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
  for (auto& f : posted) WithoutBadAlloc(f);
}

void Loop::Defer(std::function<void()> f) { deferred_.push_back(std::move(f)); }

void Loop::RunDeferred() {
  // By index: a call may defer more.
  for (size_t i = 0; i < deferred_.size(); ++i) {
    const std::function<void()> f = std::move(deferred_[i]);
    WithoutBadAlloc(f);
  }
  deferred_.clear();
}

// Lives on while its own call runs.
struct Watch::Body {
  std::function<void(bool, bool)> f;
  // One for each, so that a change of one is one system call.
  event* read = nullptr;
  event* write = nullptr;
  bool wants_read = false;
  bool wants_write = false;
  std::weak_ptr<Body> self;

  void Free() {
    for (event** what : {&read, &write}) {
      if (*what != nullptr) event_free(*what);
      *what = nullptr;
    }
  }
  static bool Set(event* what, bool wanted, bool* wants) {
    if (wanted == *wants) return true;
    *wants = wanted;
    return (wanted ? event_add(what, nullptr) : event_del(what)) == 0;
  }
  static void Ready(evutil_socket_t, short events, void* body) {
    const std::shared_ptr<Body> keep = static_cast<Body*>(body)->self.lock();
    if (keep == nullptr) return;
    WithoutBadAlloc([&] { keep->f(events & EV_READ, events & EV_WRITE); });
  }
};

Watch::Watch(Loop* loop, int fd, std::function<void(bool, bool)> f)
    : body_(std::make_shared<Body>()) {
  body_->f = std::move(f);
  body_->self = body_;
  body_->read = event_new(loop->base(), fd, EV_READ | EV_PERSIST, Body::Ready,
                          body_.get());
  body_->write = event_new(loop->base(), fd, EV_WRITE | EV_PERSIST, Body::Ready,
                           body_.get());
  if (body_->read == nullptr || body_->write == nullptr) {
    body_->Free();
    throw std::bad_alloc();
  }
}

Watch::~Watch() { body_->Free(); }

bool Watch::Want(bool read, bool write) {
  Body& body = *body_;
  if (Body::Set(body.read, read, &body.wants_read) &&
      Body::Set(body.write, write, &body.wants_write)) {
    return true;
  }
  Body::Set(body.read, false, &body.wants_read);
  Body::Set(body.write, false, &body.wants_write);
  return false;
}

struct Timer::Body {
  std::function<void()> f;
  event* what = nullptr;
  std::weak_ptr<Body> self;

  static void Due(evutil_socket_t, short, void* body) {
    const std::shared_ptr<Body> keep = static_cast<Body*>(body)->self.lock();
    if (keep != nullptr) WithoutBadAlloc(keep->f);
  }
};

Timer::Timer(Loop* loop, std::function<void()> f)
    : body_(std::make_shared<Body>()) {
  body_->f = std::move(f);
  body_->self = body_;
  body_->what = event_new(loop->base(), -1, 0, Body::Due, body_.get());
  if (body_->what == nullptr) throw std::bad_alloc();
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
