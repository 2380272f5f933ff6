// A tensor's elements as JSON numbers, both ways, straight between the JSON
// and the tensor's bytes.
#ifndef CC_SERVER_TENSOR_JSON_H_
#define CC_SERVER_TENSOR_JSON_H_

#include <simdjson.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/engine/tensor.h"

namespace server {

// Bytes that the tensor's shape and type take. INVALID_ARGUMENT if a
// dimension is not positive, is beyond the engine's 32 bits, or if the number
// of bytes overflows.
absl::StatusOr<size_t> TensorBytes(const engine::Tensor& tensor);

// Reads `data`, flat or nested like tensor->shape (row-major), into
// tensor->data. Name, type and shape are set before. INVALID_ARGUMENT for
// numbers out of range, ragged arrays and a wrong number of elements.
absl::Status ReadTensorData(simdjson::dom::element data,
                            engine::Tensor* tensor);

// Appends the elements as one flat array. Floats are written as the shortest
// decimals that read back as the same bits. FAILED_PRECONDITION for what JSON
// cannot carry: FP16, NaN and infinities.
absl::Status AppendTensorData(const engine::Tensor& tensor, std::string* out);

}  // namespace server

#endif  // CC_SERVER_TENSOR_JSON_H_
