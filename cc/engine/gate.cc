#include "cc/engine/gate.h"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>

#include "cc/engine/thread.h"

namespace engine {
namespace {

// How long a fork waits for what is within. Runs take less; a load may take
// more, and then the child cannot use the engine.
constexpr std::chrono::seconds kForkWaits(2);

}  // namespace

// Never destroyed. The standard library's mutex and not absl's, which cannot be
// made anew in a child: it remembers who holds what, to find deadlocks.
struct Gate::State {
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  bool loading = false;
  int loads_that_wait = 0;
  bool forking = false;
  bool quiet = false;    // at the last fork
  bool broken = false;   // Broken()
  uint64_t process = 1;  // counts forks

  bool Empty() const { return running == 0 && !loading; }

  // A fork copies the memory of all threads and one thread only. So it waits
  // until no other is amid something, and lets none in.
  void Prepare() {
    std::unique_lock<std::mutex> lock(mutex);
    forking = true;
    quiet = changed.wait_for(lock, kForkWaits, [&] { return Empty(); });
    lock.release();  // stays locked
  }
  void InParent() {
    forking = false;
    mutex.unlock();
    changed.notify_all();
  }
  void InChild() {
    // Not unlocked: who waits in the parent is not here to be woken.
    new (&mutex) std::mutex;
    new (&changed) std::condition_variable;
    broken = broken || !quiet;
    running = 0;
    loading = false;
    loads_that_wait = 0;
    forking = false;
    ++process;
  }
};

Gate::State& Gate::Process() {
  static State* const state = [] {
    Thread::HandleForks();
    pthread_atfork([] { Process().Prepare(); }, [] { Process().InParent(); },
                   [] { Process().InChild(); });
    return new State;
  }();
  return *state;
}

namespace {

absl::Status Broken() {
  return absl::FailedPreconditionError(
      "this process was forked while another thread ran or loaded a model, so "
      "it cannot use the engine: fork before, or start processes anew "
      "(multiprocessing: \"spawn\")");
}

}  // namespace

absl::Status Gate::EnterRun(Turn* turn) {
  State& state = Process();
  std::unique_lock<std::mutex> lock(state.mutex);
  state.changed.wait(lock, [&] {
    // A holder from before a fork is not here.
    return state.broken ||
           (!state.forking && !state.loading && state.loads_that_wait == 0 &&
            turn->holder_ != state.process);
  });
  if (state.broken) return Broken();
  turn->holder_ = state.process;
  ++state.running;
  return absl::OkStatus();
}

absl::Status Gate::EnterLoad() {
  State& state = Process();
  std::unique_lock<std::mutex> lock(state.mutex);
  ++state.loads_that_wait;
  state.changed.wait(
      lock, [&] { return state.broken || (!state.forking && state.Empty()); });
  --state.loads_that_wait;
  if (state.broken) return Broken();
  state.loading = true;
  return absl::OkStatus();
}

Gate::Run::Run(Turn* turn) : turn_(turn), status_(EnterRun(turn)) {}

Gate::Run::~Run() {
  if (!status_.ok()) return;
  State& state = Process();
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    turn_->holder_ = 0;
    --state.running;
  }
  state.changed.notify_all();
}

Gate::Load::Load() : status_(EnterLoad()) {}

Gate::Load::~Load() {
  if (!status_.ok()) return;
  State& state = Process();
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    state.loading = false;
  }
  state.changed.notify_all();
}

}  // namespace engine
