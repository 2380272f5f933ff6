// The messages of Triton's extensions: model configuration, statistics, and the
// repository's index. rest/triton.h says what is told.
#ifndef CC_FRONTEND_GRPC_TRITON_H_
#define CC_FRONTEND_GRPC_TRITON_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "cc/infer/repository.h"
#include "cc/infer/servable.h"

namespace grpc {

// ModelConfigResponse.
std::string EncodeModelConfig(const infer::ModelInfo& model);
// ModelStatisticsResponse.
std::string EncodeStatistics(
    const std::vector<std::shared_ptr<infer::Servable>>& models);

// RepositoryIndexRequest: whether only models that are ready are asked for.
absl::StatusOr<bool> DecodeIndexRequest(const absl::Cord& message);
// RepositoryIndexResponse.
std::string EncodeIndex(const std::vector<infer::IndexEntry>& models,
                        bool ready_only);

// RepositoryModelLoadRequest, RepositoryModelUnloadRequest: the model's name.
// Parameters that would have changed the model are UNIMPLEMENTED.
absl::StatusOr<std::string> DecodeControlRequest(const absl::Cord& message);

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_TRITON_H_
