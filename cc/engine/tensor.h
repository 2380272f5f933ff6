// Tensors as values: what goes into a model and what comes out of it. Nothing
// here knows Paddle, so whoever only passes tensors on need not link it.
#ifndef CC_ENGINE_TENSOR_H_
#define CC_ENGINE_TENSOR_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cc/base/data_type.h"
#include "cc/base/tensor_spec.h"

namespace engine {

using base::DataType;
using base::Lod;
using base::NameOf;
using base::SizeOf;
using base::TensorSpec;
using base::ValueRange;

struct Tensor {
  std::string name;
  DataType dtype;
  std::vector<int64_t> shape;
  std::string data;  // Elements in row-major order, each little-endian.
  Lod lod = {};
};

// A tensor whose elements belong to someone else.
struct TensorView {
  std::string name;
  DataType dtype;
  std::vector<int64_t> shape;
  std::string_view data;
  Lod lod = {};
};

// INVALID_ARGUMENT, in words that follow the input's name, if offsets do not
// fit an input with so many levels and this shape. The engine follows offsets
// without a look at the rows, so none may pass that point outside.
absl::Status CheckLod(int lod_level, const std::vector<int64_t>& shape,
                      const Lod& lod);

// INVALID_ARGUMENT, in words that follow the input's name, if an element lies
// outside spec.range (of real numbers, what is left without the fraction), or a
// BOOL is a byte other than 0 and 1. Paddle's kernels look at neither: an index
// beyond a table reads memory that is not the table's. The dtype must be
// spec's, the bytes whole elements.
absl::Status CheckValues(const TensorSpec& spec, std::string_view data);
absl::Status CheckValues(const TensorSpec& spec, const absl::Cord& data);

}  // namespace engine

#endif  // CC_ENGINE_TENSOR_H_
