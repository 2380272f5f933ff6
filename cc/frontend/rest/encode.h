// Answers -> bytes: inference results, with or without binary tensors, and
// the protocol's metadata objects.
#ifndef CC_FRONTEND_REST_ENCODE_H_
#define CC_FRONTEND_REST_ENCODE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/byte_budget.h"
#include "cc/frontend/rest/decode.h"
#include "cc/infer/repository.h"
#include "cc/infer/servable.h"
#include "cc/infer/tensor.h"

namespace rest {

struct InferResponse {
  absl::Cord body;
  // Set if binary tensors follow the JSON: value of kJsonLengthHeader.
  std::optional<size_t> json_size;
};

// `outputs`: those that the request asked for, in its order. What is binary
// becomes part of the body and is not copied; the JSON is taken of `budget`
// (nullptr: none) as long as the body lives. FAILED_PRECONDITION if an output
// cannot be written in the form that is wanted, UNAVAILABLE where the budget is
// used up. Thread-safe.
absl::StatusOr<InferResponse> EncodeInferResponse(
    const infer::ModelInfo& model, absl::string_view id,
    const BinaryOutputs& binary, const std::vector<infer::Tensor>& outputs,
    base::ByteBudget* budget);

// Bytes that the elements of those outputs that are not binary take in JSON,
// which takes time. No less than they will, but for strings with much to
// escape.
size_t TextBytes(const BinaryOutputs& binary,
                 const std::vector<infer::Tensor>& outputs);

std::string EncodeServerMetadata(absl::string_view name,
                                 absl::string_view version);
std::string EncodeModelMetadata(const infer::ModelInfo& model,
                                const std::vector<std::string>& versions);
std::string EncodeModelReady(const infer::ModelInfo& model);
// `ready_only`: without those that are not.
std::string EncodeRepositoryIndex(const std::vector<infer::IndexEntry>& models,
                                  bool ready_only);
std::string EncodeError(absl::string_view message);

}  // namespace rest

#endif  // CC_FRONTEND_REST_ENCODE_H_
