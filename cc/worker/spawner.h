// Makes processes for a server that has threads, which must not fork itself:
// a child of its first moment forks on its behalf. So each worker has the
// loaded and relocated libraries of the program from its start (0.2 s of CPU
// for libpaddle), and nothing of the server's memory.
#ifndef CC_WORKER_SPAWNER_H_
#define CC_WORKER_SPAWNER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/loop.h"
#include "cc/worker/channel.h"

namespace worker {

class Spawner {
 public:
  // What a worker does with its sockets; it ends with what this returns.
  using Main = std::function<int(Channel control, std::vector<Channel> slots)>;
  // `why`: a sentence; "was ended by signal 11 (Segmentation fault)".
  using OnExit = std::function<void(const std::string& why)>;

  // Forks; to be called before the process has threads. `max_memory_mb`: of
  // the data of each worker, 0: no bound.
  static absl::StatusOr<std::unique_ptr<Spawner>> Start(Main main,
                                                        int64_t max_memory_mb);
  // Ends all workers, and waits for their end.
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  // From now on exits are told on the loop's thread; and `on_lost`, after all
  // exits, where the process that forks is gone: there will be no workers any
  // more.
  void Attach(base::Loop* loop, std::function<void()> on_lost);
  // Before the loop goes.
  void Detach() { watch_.reset(); }

  // Makes a worker with the other ends of these sockets. `on_exit` is called
  // once, unless it is forgotten. Returns the worker's number.
  absl::StatusOr<int64_t> Spawn(Channel control, std::vector<Channel> slots,
                                OnExit on_exit);
  // Ends it at once. Nothing if it is gone.
  void Kill(int64_t worker);
  // Whether the process that forks is gone: nothing starts any more.
  bool lost() const { return lost_; }
  // Its end is of no interest any more.
  void Forget(int64_t worker);

 private:
  Spawner(pid_t pid, Channel channel)
      : pid_(pid), channel_(std::move(channel)) {}
  void OnMessage();

  const pid_t pid_;  // of the process that forks
  Channel channel_;
  std::unique_ptr<base::Watch> watch_;
  std::function<void()> on_lost_;
  bool lost_ = false;
  int64_t last_ = 0;
  std::map<int64_t, OnExit> on_exit_;
};

}  // namespace worker

#endif  // CC_WORKER_SPAWNER_H_
