// What a request names: a model, or a pipeline of models.
#ifndef CC_INFER_SERVABLE_H_
#define CC_INFER_SERVABLE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cc/base/tensor_spec.h"
#include "cc/base/values.h"
#include "cc/infer/call.h"
#include "cc/infer/statistics.h"

namespace infer {

// What a client may know of one version of a model.
struct ModelInfo {
  std::string name;
  std::string version;
  std::string platform;   // "paddle_inference"
  std::string directory;  // that its files are in; empty: it has none
  std::vector<base::TensorSpec> inputs;
  std::vector<base::TensorSpec> outputs;
  std::vector<base::ValueCheck> checks;  // beside the inputs' ranges
  // The rows that one request may have; 0: the model fixes its first dimension.
  int64_t max_batch_size = 0;
  // Whether requests are computed together.
  bool batching = false;
  std::string batching_reason;  // a sentence
};

struct AccessSeries;  // see core.cc

// Held by a shared_ptr as long as a request for it lives, so that it can leave
// the repository at any time. On the loop's thread.
class Servable {
 public:
  virtual ~Servable() = default;

  virtual const ModelInfo& info() const = 0;

  const Statistics& statistics() const { return statistics_; }

  // OK while it computes what it is given; UNAVAILABLE, with a sentence, while
  // calls wait for it to start again.
  virtual absl::Status Ready() const { return absl::OkStatus(); }

  // Takes a call whose request fits info() (see validate.h). It is finished
  // later, also with RESOURCE_EXHAUSTED where too much waits, never before
  // Start returns. Clients try again after RESOURCE_EXHAUSTED and UNAVAILABLE:
  // where a run itself needs more memory than there is, the status is INTERNAL.
  virtual void Start(std::shared_ptr<Call> call) = 0;

 protected:
  // Of runs; the rest is the core's.
  void CountRun(int64_t rows, Clock::duration compute) {
    ++statistics_.runs;
    statistics_.batches[rows].Add(compute);
  }

 private:
  friend class Core;
  // The core's, which tells of answers: gone with it.
  mutable Statistics statistics_;
  mutable std::shared_ptr<AccessSeries> series_;  // found without a search
};

}  // namespace infer

#endif  // CC_INFER_SERVABLE_H_
