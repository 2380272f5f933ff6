// Tensors as values: what goes into a model and what comes out of it. Nothing
// here knows Paddle, so whoever only passes tensors on need not link it.
#ifndef CC_ENGINE_TENSOR_H_
#define CC_ENGINE_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace engine {

// What the tensors of a Paddle model carry.
enum class DataType {
  kBool,
  kUint8,
  kInt8,
  kInt32,
  kInt64,
  kFloat16,
  kFloat32,
  kFloat64,
};

// Bytes of one element.
size_t SizeOf(DataType type);

// "FP32" and the like: the name that the Open Inference Protocol gives it.
const char* NameOf(DataType type);

// Paddle's LoD (level of detail), for sequences of unequal length in one tensor
// without padding. Each level is a list of offsets, from 0 on: the last level
// cuts the tensor's rows (first dimension) into sequences, the one before it
// cuts those sequences into groups, and so on. {{0, 2, 5}}: two sequences, of
// rows 0 and 1 and of rows 2 to 4. Empty: none.
using Lod = std::vector<std::vector<int64_t>>;

// An input or output as the model declares it.
struct TensorSpec {
  std::string name;
  DataType dtype;
  std::vector<int64_t> shape;  // -1: variable
  int lod_level = 0;           // Levels of offsets; 0: no LoD.
};

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

}  // namespace engine

#endif  // CC_ENGINE_TENSOR_H_
