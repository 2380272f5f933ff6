// A ModelInferRequest of the Open Inference Protocol -> infer::Request. As with
// REST, name, type and shape of each input are held against the model before
// its data is read, and the values of the whole are checked by the core.
#ifndef CC_FRONTEND_GRPC_DECODE_H_
#define CC_FRONTEND_GRPC_DECODE_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "cc/frontend/http/block.h"
#include "cc/infer/call.h"
#include "cc/infer/servable.h"

namespace grpc {

// A ModelInferRequest, before it is known what the model is.
struct InferMessage {
  std::string model_name;
  std::string model_version;
  std::string id;
  uint64_t priority = 0;
  std::chrono::microseconds timeout{0};
  // Messages that are not read yet, parts of the whole.
  std::vector<absl::Cord> inputs;
  std::vector<absl::Cord> outputs;
  std::vector<absl::Cord> raw;
};

// INVALID_ARGUMENT where it is malformed or asks for what there is not. What
// was read before stays in `result`, so that an error can name the request.
absl::Status ParseInferMessage(const absl::Cord& bytes, InferMessage* result);

// Raw tensors and packed floats are parts of the message, not copies. Other
// elements take of `pool`. Errors are INVALID_ARGUMENT, but for
// RESOURCE_EXHAUSTED where the pool has no more.
absl::StatusOr<infer::Request> DecodeInferRequest(const infer::ModelInfo& model,
                                                  const InferMessage& message,
                                                  http::BlockPool* pool);

// Reads InferTensorContents, packed or not, as the elements that the type and
// shape of `tensor` ask for.
absl::Status ReadContents(const absl::Cord& contents, http::BlockPool* pool,
                          infer::Tensor* tensor);

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_DECODE_H_
