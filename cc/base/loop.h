// An event loop: one thread that waits for sockets, timers and messages, on
// libevent. Everything here but Post and Stop is called on that thread.
#ifndef CC_BASE_LOOP_H_
#define CC_BASE_LOOP_H_

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/clock.h"

struct event;
struct event_base;

namespace base {

class Loop {
 public:
  // See status().
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Whether it could be made; if not, it can only be destroyed.
  const absl::Status& status() const { return status_; }

  // Serves until Stop; may then be called again.
  void Run();
  // Run returns after the round that it is in, or at once if it has not begun.
  // Thread-safe, and safe in a signal handler.
  void Stop();

  // Calls f on the loop's thread, in the order of the calls. Thread-safe. What
  // is left when the loop goes is destroyed, not called.
  void Post(std::function<void()> f);

  // Calls f at the end of this round, after all that the sockets have brought:
  // what came together can then be served together. What f defers comes in the
  // same round. Before Run: as its first act.
  void Defer(std::function<void()> f);

  // Calls f at the end of the next round, which does not wait: what the sockets
  // bring in answer to this one is then there, as far as it was quick.
  void DeferToNext(std::function<void()> f) { next_.push_back(std::move(f)); }

  event_base* base() const { return base_.get(); }

 private:
  struct Free {
    void operator()(event_base* base) const;
    void operator()(event* event) const;
  };
  void Wake();
  void RunPosted();
  void RunDeferred();

  absl::Status status_;
  const std::unique_ptr<event_base, Free> base_;
  const int wake_fd_;
  std::unique_ptr<event, Free> wake_;
  std::vector<std::function<void()>> deferred_;
  std::vector<std::function<void()>> next_;
  std::atomic<bool> stop_{false};
  absl::Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
};

// Tells of a file descriptor, which stays its owner's. May be destroyed in its
// own call.
class Watch {
 public:
  // `f` gets what it is ready for: with an error or a hang-up, all that is
  // wanted. It may be called once for each.
  Watch(Loop* loop, int fd,
        std::function<void(bool readable, bool writable)> f);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // What to be told of; at first nothing. A system call where it changes.
  // False where the kernel refuses it (no memory, no such file); then it tells
  // of nothing.
  bool Want(bool read, bool write);

 private:
  struct Body;
  const std::shared_ptr<Body> body_;
};

// Calls f once after each Start. May be destroyed in its own call.
class Timer {
 public:
  Timer(Loop* loop, std::function<void()> f);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // From now on; an earlier Start is forgotten. No system call.
  void Start(Clock::duration after);
  void Stop();

 private:
  struct Body;
  const std::shared_ptr<Body> body_;
};

}  // namespace base

#endif  // CC_BASE_LOOP_H_
