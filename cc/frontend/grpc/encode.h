// Answers -> messages of the Open Inference Protocol, of Health and of
// ServerReflection.
#ifndef CC_FRONTEND_GRPC_ENCODE_H_
#define CC_FRONTEND_GRPC_ENCODE_H_

#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/infer/servable.h"
#include "cc/infer/tensor.h"

namespace grpc {

// A ModelInferResponse. Outputs, in the order asked for, go as
// raw_output_contents, whatever form the request had: they become part of the
// message and are not copied.
absl::Cord EncodeInferResponse(const infer::ModelInfo& model,
                               absl::string_view id,
                               const std::vector<infer::Tensor>& outputs);
// ModelStreamInferResponse, with a response or an error.
absl::Cord EncodeStreamResponse(const absl::Cord& infer_response);
absl::Cord EncodeStreamError(absl::string_view message, absl::string_view model,
                             absl::string_view version, absl::string_view id);

// ServerLiveResponse, ServerReadyResponse, ModelReadyResponse.
std::string EncodeFlag(bool value);
std::string EncodeServerMetadata(absl::string_view name,
                                 absl::string_view version);
std::string EncodeModelMetadata(const infer::ModelInfo& model,
                                const std::vector<std::string>& versions);

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_ENCODE_H_
