// The element types of tensors: the one table of their names and numbers.
#ifndef CC_BASE_DATA_TYPE_H_
#define CC_BASE_DATA_TYPE_H_

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace base {

// Those of the Open Inference Protocol.
enum class DataType {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFloat16,
  kFloat32,
  kFloat64,
  kBfloat16,
  // Strings of bytes: each element is four bytes of length, little-endian, and
  // so many bytes.
  kBytes,
};

// Bytes of one element; 0 for kBytes, whose elements differ.
size_t SizeOf(DataType type);

// "FP32": the protocol's name, and back.
const char* NameOf(DataType type);
std::optional<DataType> DataTypeOf(absl::string_view name);

// Whether values are whole numbers (not BOOL, not BYTES).
bool IsInteger(DataType type);

// "f4": NumPy's, without the byte order; nullptr where it has none (BF16,
// BYTES). And back.
const char* NumpyName(DataType type);
std::optional<DataType> DataTypeOfNumpy(absl::string_view name);

// VarType.Type in framework.proto of Paddle 2.6.2, as programs and parameter
// files have it. `engine_serves`: paddle_infer has it for inputs and outputs.
struct ProgramType {
  const char* name;  // as Paddle calls it: "INT16"
  size_t size;       // bytes of one element
  std::optional<DataType> type;
  bool engine_serves;
};

// nullptr where the number is no element type.
const ProgramType* ProgramTypeOf(int number);

}  // namespace base

#endif  // CC_BASE_DATA_TYPE_H_
