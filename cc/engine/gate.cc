#include "cc/engine/gate.h"

#include <pthread.h>

#include <ctime>

#include "cc/engine/thread.h"

namespace engine {
namespace {

// How long a fork waits for what is within. Runs take less; a load may take
// more, and then the child cannot use the engine.
constexpr time_t kForkWaits = 2;  // s

}  // namespace

// Never destroyed. Not absl's mutex, which cannot be made anew in a child: it
// remembers who holds what, to find deadlocks. Nor the standard library's
// condition variable: its wait() of gcc 12 is newer than what the wheel of
// //cc/bindings may ask for.
struct Gate::State {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
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
    pthread_mutex_lock(&mutex);
    forking = true;
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += kForkWaits;
    while (!Empty() && pthread_cond_clockwait(&changed, &mutex, CLOCK_MONOTONIC,
                                              &until) == 0) {
    }
    quiet = Empty();
  }
  void InParent() {
    forking = false;
    pthread_mutex_unlock(&mutex);
    pthread_cond_broadcast(&changed);
  }
  void InChild() {
    // Not unlocked: who waits in the parent is not here to be woken.
    mutex = PTHREAD_MUTEX_INITIALIZER;
    changed = PTHREAD_COND_INITIALIZER;
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

// Holds the state's mutex.
class Gate::Lock {
 public:
  explicit Lock(State* state) : state_(state) {
    pthread_mutex_lock(&state_->mutex);
  }
  ~Lock() { pthread_mutex_unlock(&state_->mutex); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  template <typename F>
  void Await(F condition) {
    while (!condition()) pthread_cond_wait(&state_->changed, &state_->mutex);
  }

 private:
  State* const state_;
};

absl::Status Gate::EnterRun(Turn* turn) {
  State& state = Process();
  Lock lock(&state);
  lock.Await([&] {
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
  Lock lock(&state);
  ++state.loads_that_wait;
  lock.Await([&] { return state.broken || (!state.forking && state.Empty()); });
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
    const Lock lock(&state);
    turn_->holder_ = 0;
    --state.running;
  }
  pthread_cond_broadcast(&state.changed);
}

Gate::Load::Load() : status_(EnterLoad()) {}

Gate::Load::~Load() {
  if (!status_.ok()) return;
  State& state = Process();
  {
    const Lock lock(&state);
    state.loading = false;
  }
  pthread_cond_broadcast(&state.changed);
}

}  // namespace engine
