// What Triton's extensions of the protocol tell of models, as JSON: the model
// configuration, which perf_analyzer reads before it begins, and statistics.
// https://github.com/triton-inference-server/server/tree/main/docs/protocol
#ifndef CC_FRONTEND_REST_TRITON_H_
#define CC_FRONTEND_REST_TRITON_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cc/infer/servable.h"

namespace rest {

// Of the model's ModelConfig what is so here; the first dimension is left out
// of `dims` where max_batch_size is above 0, as Triton does.
std::string EncodeModelConfig(const infer::ModelInfo& model);

// Times are in nanoseconds. Triton's names, with what they mean here:
// compute_input, to read the request; compute_infer, the run that it was part
// of; compute_output, to write the answer.
std::string EncodeStatistics(
    const std::vector<std::shared_ptr<infer::Servable>>& models);

// The body of a request to load or unload a model, which may be empty. What it
// would have changed in the model (`config`, `file:...`) is UNIMPLEMENTED.
absl::Status CheckControlRequest(const absl::Cord& body);

}  // namespace rest

#endif  // CC_FRONTEND_REST_TRITON_H_
