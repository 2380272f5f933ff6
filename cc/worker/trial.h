// Whether a model's answer to a request is the same bits, whatever it is
// computed together with.
#ifndef CC_WORKER_TRIAL_H_
#define CC_WORKER_TRIAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cc/engine/engine.h"

namespace worker {

struct TrialResult {
  bool equal_bits = false;
  std::string why;  // a sentence
};

// Runs made-up rows alone and in batches of each size in `buckets`, and
// compares. Batches that were tried are warm afterwards.
TrialResult TryBatches(const std::vector<int64_t>& buckets,
                       engine::Engine* engine);

// Runs one made-up row, where the model leaves nothing but the first dimension
// open; what the first run prepares is then ready.
absl::Status WarmUp(engine::Engine* engine);

}  // namespace worker

#endif  // CC_WORKER_TRIAL_H_
