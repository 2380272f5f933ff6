// Replies -> bytes: inference results, with or without binary tensors, and
// the protocol's metadata objects.
#ifndef CC_SERVER_ENCODE_H_
#define CC_SERVER_ENCODE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/server/protocol.h"

namespace server {

struct EncodedResponse {
  std::string body;
  // Set if binary tensors follow the JSON: value of kJsonLengthHeader.
  std::optional<size_t> json_size;
};

// `results`: what the model gave; `request` says which of them are wanted, in
// which order and form (its inputs do not matter). FAILED_PRECONDITION if a
// result cannot be written in the wanted form.
absl::StatusOr<EncodedResponse> EncodeInferResponse(
    const ModelInfo& model, const InferRequest& request,
    const std::vector<engine::Tensor>& results);

std::string EncodeServerMetadata(absl::string_view name,
                                 absl::string_view version);
std::string EncodeModelMetadata(const ModelInfo& model,
                                const std::vector<std::string>& versions);
std::string EncodeModelReady(const ModelInfo& model);
std::string EncodeRepositoryIndex(const std::vector<const ModelInfo*>& models);
std::string EncodeError(absl::string_view message);

}  // namespace server

#endif  // CC_SERVER_ENCODE_H_
