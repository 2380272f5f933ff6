#include "cc/engine/tensor.h"

namespace engine {

size_t SizeOf(DataType type) {
  switch (type) {
    case DataType::kBool:
    case DataType::kUint8:
    case DataType::kInt8:
      return 1;
    case DataType::kFloat16:
      return 2;
    case DataType::kInt32:
    case DataType::kFloat32:
      return 4;
    case DataType::kInt64:
    case DataType::kFloat64:
      return 8;
  }
  return 0;  // not reached: the compiler checks that no type is missing
}

const char* NameOf(DataType type) {
  switch (type) {
    case DataType::kBool:
      return "BOOL";
    case DataType::kUint8:
      return "UINT8";
    case DataType::kInt8:
      return "INT8";
    case DataType::kInt32:
      return "INT32";
    case DataType::kInt64:
      return "INT64";
    case DataType::kFloat16:
      return "FP16";
    case DataType::kFloat32:
      return "FP32";
    case DataType::kFloat64:
      return "FP64";
  }
  return "unknown";
}

}  // namespace engine
