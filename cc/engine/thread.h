// Threads that never end. Paddle 2.6.2 does not bear the end of a thread that
// has run a model: docs/engine.md, "What Paddle's cache does not bear". So they
// are lent, and go back to the process's idle ones. Nothing here knows Paddle.
//
//   engine::Thread thread;
//   thread.Start([&] { ... });
//   thread.Wait();
#ifndef CC_ENGINE_THREAD_H_
#define CC_ENGINE_THREAD_H_

#include <cstdint>
#include <functional>
#include <utility>

namespace engine {

// One such thread, lent. Used by one caller at a time.
class Thread {
 public:
  Thread() = default;
  // Waits for its work and gives it back.
  ~Thread();
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // Has it call `work`, which throws nothing; after the last work was done.
  // False, and nothing is called, where the system gives no thread (at a limit
  // of processes): the first call takes an idle one or makes one, and so does
  // the first after a fork.
  bool Start(std::function<void()> work);
  // Returns when its work is done.
  void Wait();

  bool Run(std::function<void()> work) {
    if (!Start(std::move(work))) return false;
    Wait();
    return true;
  }

  // Whoever has a fork wait for others, and these for threads, calls it before
  // pthread_atfork: handlers that come later are called earlier, so the fork
  // takes the threads' lock last.
  static void HandleForks() { Threads(); }

  // The number of the caller's thread, which no other gets; 0 if it is none of
  // these.
  static uint64_t Number();

 private:
  struct Body;
  struct Pool;
  static Pool& Threads();
  bool Take();
  // Whether it has a thread, of this process.
  bool Lent() const;
  Body* body_ = nullptr;
  // A process that forked has none of its parent's threads: what was lent
  // before is gone.
  uint64_t process_ = 0;
};

}  // namespace engine

#endif  // CC_ENGINE_THREAD_H_
