// A tensor's elements as JSON, both ways, straight between the JSON and the
// tensor's bytes.
#ifndef CC_FRONTEND_REST_TENSOR_JSON_H_
#define CC_FRONTEND_REST_TENSOR_JSON_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "cc/base/byte_budget.h"
#include "cc/frontend/rest/json_reader.h"
#include "cc/infer/tensor.h"

namespace rest {

// Reads `data`, flat or nested like tensor->shape (row-major), into
// tensor->data. Name, type and shape are set before, and the shape is possible.
// The data has no more than `text_bytes` of JSON: where the shape wants more
// elements than that can hold, nothing is allocated. What the tensor takes is
// taken of `budget` as long as its data lives: RESOURCE_EXHAUSTED.
// INVALID_ARGUMENT for numbers out of range, ragged arrays and a wrong number
// of elements.
absl::Status ReadTensorData(json::array data, size_t text_bytes,
                            base::ByteBudget* budget, infer::Tensor* tensor);

// Appends the elements as one flat array. Floats are written as the shortest
// decimals that read back as the same bits. FAILED_PRECONDITION for what JSON
// cannot carry: NaN, infinities, and strings that are not UTF-8.
absl::Status AppendTensorData(const infer::Tensor& tensor, std::string* out);

}  // namespace rest

#endif  // CC_FRONTEND_REST_TENSOR_JSON_H_
