// Measures a model in one setting after the other, by what serves it: batches,
// a worker process and its instances; all but sockets.
#ifndef CC_TUNE_BENCH_H_
#define CC_TUNE_BENCH_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/loop.h"
#include "cc/infer/model.h"
#include "cc/tune/difference.h"
#include "cc/tune/processes.h"
#include "cc/worker/process.h"
#include "cc/worker/spawner.h"

namespace tune {

// How a model is run.
struct Setting {
  infer::Compute compute;
  infer::Batching batching = infer::Batching::kAuto;
  int64_t max_batch_rows = 32;
};

// Requests that are asked again and again, and what each was answered before.
struct Load {
  std::vector<infer::Request> requests;
  std::vector<Answer> answers;
  int64_t rows = 1;  // of each request
  int concurrency = 1;
  infer::Clock::duration warm_up{};
  infer::Clock::duration time{};
};

struct Sample {
  double rows_per_second = 0;
  double p50_ms = 0;  // of requests
  double p99_ms = 0;
  double cpu_us = 0;  // of a row, in all processes
  double memory_mb = 0;
  Difference difference;  // of all answers from those before
};

class Bench {
 public:
  // The spawner outlives it.
  Bench(worker::Spawner* spawner, std::string directory);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // Loads the model, in place of the one before.
  absl::Status Start(const Setting& setting);
  const infer::ModelInfo& info() const { return model_->info(); }

  // One request, alone.
  absl::StatusOr<Answer> Ask(const infer::Request& request);
  // `concurrency` requests are always under way.
  absl::StatusOr<Sample> Measure(const Load& load);

  // Ends the model, and waits for its worker's end.
  void Stop();

 private:
  class Run;

  worker::Spawner* const spawner_;
  const std::string directory_;
  base::Loop loop_;
  worker::ProcessBackend backend_;
  std::shared_ptr<infer::Model> model_;
};

}  // namespace tune

#endif  // CC_TUNE_BENCH_H_
