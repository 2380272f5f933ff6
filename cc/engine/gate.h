// Who may touch Paddle when: any number of instances run at the same time, each
// in one run; nothing runs while a model is loaded. It bears forks, which leave
// a child without the threads that are within. Nothing here knows Paddle.
#ifndef CC_ENGINE_GATE_H_
#define CC_ENGINE_GATE_H_

#include <cstdint>

#include "absl/status/status.h"

namespace engine {

// Of one instance: whether it is in use. Guarded by the gate.
class Turn {
 public:
  Turn() = default;
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  friend class Gate;
  uint64_t holder_ = 0;  // 0: nobody, else the count of forks, from 1
};

// One for the process. FAILED_PRECONDITION from Run and Load: this process is a
// child that was forked amid a run or a load, whose locks in Paddle nobody will
// ever open.
class Gate {
 public:
  // Waits until nothing is loaded and the instance is free. Held until it goes.
  class Run {
   public:
    explicit Run(Turn* turn);
    ~Run();
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    const absl::Status& status() const { return status_; }

   private:
    Turn* const turn_;
    const absl::Status status_;
  };

  // Waits until nothing runs or is loaded. Held until it goes.
  class Load {
   public:
    Load();
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    const absl::Status& status() const { return status_; }

   private:
    const absl::Status status_;
  };

 private:
  struct State;
  class Lock;
  static State& Process();
  static absl::Status EnterRun(Turn* turn);
  static absl::Status EnterLoad();
};

}  // namespace engine

#endif  // CC_ENGINE_GATE_H_
