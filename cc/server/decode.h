// Bytes of an inference request -> InferRequest. Everything that can be said
// without knowing the model is checked here: JSON grammar, types, ranges,
// shapes against the number of values, sizes of binary tensors.
#ifndef CC_SERVER_DECODE_H_
#define CC_SERVER_DECODE_H_

#include <cstddef>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/server/protocol.h"

namespace server {

// `json_size`: value of the Inference-Header-Content-Length header; absent:
// the whole body is JSON. Errors are INVALID_ARGUMENT and name the tensor.
absl::StatusOr<InferRequest> DecodeInferRequest(
    absl::string_view body, std::optional<size_t> json_size);

// Header value 0: the body is the raw data of the model's only input, and the
// outputs go back as binary. A variable dimension follows from the size; with
// several variable dimensions the first one is taken as a batch of one.
absl::StatusOr<InferRequest> DecodeRawRequest(const ModelInfo& model,
                                              absl::string_view body);

}  // namespace server

#endif  // CC_SERVER_DECODE_H_
