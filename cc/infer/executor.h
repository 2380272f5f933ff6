// What runs the batches of a model: a worker process, or a fake in tests.
#ifndef CC_INFER_EXECUTOR_H_
#define CC_INFER_EXECUTOR_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cc/base/cpu_engine.h"
#include "cc/base/tensor_spec.h"
#include "cc/base/values.h"
#include "cc/infer/tensor.h"

namespace infer {

// One input of a run: the parts, one after the other, and padding.
struct BatchInput {
  std::vector<int64_t> shape;
  base::Lod lod;
  std::vector<const absl::Cord*> parts;
  size_t bytes = 0;  // of the parts together
  // Rows to add, so that the batch has a size that is known: copies of the last
  // one, whose values the model is known to bear.
  int64_t padding_rows = 0;
  size_t row_bytes = 0;
};

struct BatchResult {
  absl::Status status;
  std::vector<Tensor> outputs;  // of the whole batch, padding included
  std::chrono::steady_clock::duration compute{};
  // False, with an error: the executor is gone, and it was not this batch that
  // it computed at its end. Its successor can.
  bool begun = true;
};

// What a model turns out to be, once it is loaded.
struct LoadedModel {
  std::string platform;
  std::vector<base::TensorSpec> inputs;
  std::vector<base::TensorSpec> outputs;
  std::vector<base::ValueCheck> checks;  // beside the inputs' ranges
  bool equal_bits = false;  // whatever a request is computed together with
  std::string trial;        // a sentence about it
};

// One loaded, or loading, model. Destroyed, it ends, and calls nothing more. On
// the loop's thread.
class Executor {
 public:
  using Done = std::function<void(BatchResult)>;

  virtual ~Executor() = default;

  virtual size_t slots() const = 0;
  // Runs, one after the other, on a slot that runs nothing; the inputs of each
  // in the order of the model's, and no longer used when it returns. Each has a
  // `done`, which is called later; the last one when the slot is idle again.
  virtual void RunAll(size_t slot,
                      const std::vector<std::vector<BatchInput>>& runs,
                      std::vector<Done> dones) = 0;
  // Gives back to the system what an idle slot holds for its next run.
  virtual void ReleaseMemory(size_t slot) = 0;
};

// What a model is computed with. Answers may have other bits with other
// threads, and have with another engine.
struct Compute {
  int instances = 1;  // runs at the same time; at least one on each GPU
  int threads = 1;    // of one run
  base::CpuEngine cpu_engine = base::CpuEngine::kOneDnn;
};

// Makes executors.
class Backend {
 public:
  struct Events {
    // Once: loaded, or why it cannot be, which is the last that is told:
    // whoever would hear more may be gone.
    std::function<void(absl::Status, LoadedModel)> on_loaded;
    // It is gone, by itself; runs under way are answered right after. A
    // sentence without a subject: "was ended by signal 11 (Segmentation
    // fault)".
    std::function<void(const std::string& why)> on_ended;
  };
  virtual ~Backend() = default;
  // `buckets`: sizes of batches to try whether answers are equal bits in all.
  // `awaited`: requests wait for it; else it gives way to what is served.
  virtual std::unique_ptr<Executor> Start(const std::string& directory,
                                          const Compute& compute,
                                          const std::vector<int64_t>& buckets,
                                          bool awaited, Events events) = 0;
};

}  // namespace infer

#endif  // CC_INFER_EXECUTOR_H_
