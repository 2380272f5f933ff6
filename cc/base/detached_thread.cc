#include "cc/base/detached_thread.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <thread>
#include <utility>

namespace base {

bool RunDetached(std::function<void()> f) {
  // Signals are for other threads; SIGPIPE, which only a write of this thread
  // could cause, is then an error of the write.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool runs = false;
  try {
    std::thread(std::move(f)).detach();
    runs = true;
  } catch (const std::system_error&) {
    // The limit of processes.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return runs;
}

}  // namespace base
