// The server's side of a worker process.
#ifndef CC_WORKER_PROCESS_H_
#define CC_WORKER_PROCESS_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/infer/executor.h"
#include "cc/worker/messages.h"
#include "cc/worker/spawner.h"

namespace worker {

struct ProcessOptions {
  // What each model brings itself is filled in.
  LoadOptions load;
  // A run that takes longer ends the worker; zero: none does.
  std::chrono::milliseconds run_timeout{0};
  // What answers are charged to until they are sent, which may take a slow
  // client long; outlives all answers.
  base::ByteBudget* budget = nullptr;
};

// A worker process for each model. Both must outlive it.
class ProcessBackend : public infer::Backend {
 public:
  ProcessBackend(base::Loop* loop, Spawner* spawner, ProcessOptions options)
      : loop_(loop), spawner_(spawner), options_(std::move(options)) {}

  std::unique_ptr<infer::Executor> Start(const std::string& directory,
                                         const infer::Compute& compute,
                                         const std::vector<int64_t>& buckets,
                                         bool awaited, Events events) override;

 private:
  base::Loop* const loop_;
  Spawner* const spawner_;
  const ProcessOptions options_;
};

}  // namespace worker

#endif  // CC_WORKER_PROCESS_H_
