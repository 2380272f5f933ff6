// Tensors as values: what goes into a model and what comes out of it. Nothing
// here knows Paddle, so whoever only passes tensors on need not link it.
#ifndef CC_ENGINE_TENSOR_H_
#define CC_ENGINE_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

// An input or output as the model declares it.
struct TensorSpec {
  std::string name;
  DataType dtype;
  std::vector<int64_t> shape;  // -1: variable
};

struct Tensor {
  std::string name;
  DataType dtype;
  std::vector<int64_t> shape;
  std::string data;  // Elements in row-major order, each little-endian.
};

// A tensor whose elements belong to someone else.
struct TensorView {
  std::string name;
  DataType dtype;
  std::vector<int64_t> shape;
  std::string_view data;
};

}  // namespace engine

#endif  // CC_ENGINE_TENSOR_H_
