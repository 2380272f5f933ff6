// Checks requests against the model that they are for. All errors are
// INVALID_ARGUMENT, name the model, and say what it wants.
#ifndef CC_INFER_VALIDATE_H_
#define CC_INFER_VALIDATE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/base/tensor_spec.h"
#include "cc/infer/call.h"
#include "cc/infer/servable.h"

namespace infer {

inline constexpr size_t kMaxRank = 16;

// The product of the dimensions; an error, that follows the tensor's name,
// where one is negative or beyond the engine's 32 bits, or where so many
// elements of eight bytes are beyond what a machine can count.
absl::StatusOr<uint64_t> CountElements(const std::vector<int64_t>& shape);

// The input of that name.
absl::StatusOr<const base::TensorSpec*> FindInput(const ModelInfo& model,
                                                  absl::string_view name);
absl::Status CheckOutputName(const ModelInfo& model, absl::string_view name);

// What can be said of an input before its data is there: type, rank, fixed
// dimensions, and the number of rows where the model leaves it open. The first
// dimension may be 0 there: an empty batch.
absl::Status CheckType(const ModelInfo& model, const base::TensorSpec& spec,
                       base::DataType dtype, const std::vector<int64_t>& shape);

// The whole request: each input once, of the right type, shape, size, offsets
// (LoD) and values; no unknown output, none twice.
absl::Status Validate(const ModelInfo& model, const Request& request);

// Whether a valid request has no rows.
bool IsEmptyBatch(const ModelInfo& model, const Request& request);

// Its answer: outputs without rows, which no engine is asked for. An error
// where the model does not say of what shape they would be.
absl::StatusOr<std::vector<Tensor>> AnswerEmptyBatch(const ModelInfo& model,
                                                     const Request& request);

}  // namespace infer

#endif  // CC_INFER_VALIDATE_H_
