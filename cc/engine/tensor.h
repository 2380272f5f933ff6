// Tensors as values: what goes into a model and what comes out of it. Nothing
// here knows Paddle, so whoever only passes tensors on need not link it.
#ifndef CC_ENGINE_TENSOR_H_
#define CC_ENGINE_TENSOR_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

}  // namespace engine

#endif  // CC_ENGINE_TENSOR_H_
