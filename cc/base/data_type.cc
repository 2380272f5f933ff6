#include "cc/base/data_type.h"

#include <cstring>

namespace base {
namespace {

struct Row {
  DataType type;
  const char* name;
  size_t size;
  const char* numpy;
  bool integer;
};

constexpr Row kRows[] = {
    {DataType::kBool, "BOOL", 1, "b1", false},
    {DataType::kUint8, "UINT8", 1, "u1", true},
    {DataType::kUint16, "UINT16", 2, "u2", true},
    {DataType::kUint32, "UINT32", 4, "u4", true},
    {DataType::kUint64, "UINT64", 8, "u8", true},
    {DataType::kInt8, "INT8", 1, "i1", true},
    {DataType::kInt16, "INT16", 2, "i2", true},
    {DataType::kInt32, "INT32", 4, "i4", true},
    {DataType::kInt64, "INT64", 8, "i8", true},
    {DataType::kFloat16, "FP16", 2, "f2", false},
    {DataType::kFloat32, "FP32", 4, "f4", false},
    {DataType::kFloat64, "FP64", 8, "f8", false},
    {DataType::kBfloat16, "BF16", 2, nullptr, false},
    {DataType::kBytes, "BYTES", 0, nullptr, false},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < sizeof(kRows) / sizeof(*kRows); ++i) {
    if (static_cast<size_t>(kRows[i].type) != i) return false;
  }
  return true;
}
static_assert(InOrder(), "a row's place is its type's number");

constexpr struct {
  int number;
  ProgramType type;
} kProgramTypes[] = {
    {0, {"BOOL", 1, DataType::kBool, true}},
    {1, {"INT16", 2, DataType::kInt16, false}},
    {2, {"INT32", 4, DataType::kInt32, true}},
    {3, {"INT64", 8, DataType::kInt64, true}},
    {4, {"FP16", 2, DataType::kFloat16, true}},
    {5, {"FP32", 4, DataType::kFloat32, true}},
    {6, {"FP64", 8, DataType::kFloat64, true}},
    {20, {"UINT8", 1, DataType::kUint8, true}},
    {21, {"INT8", 1, DataType::kInt8, true}},
    {22, {"BF16", 2, DataType::kBfloat16, false}},
    {23, {"COMPLEX64", 8, std::nullopt, false}},
    {24, {"COMPLEX128", 16, std::nullopt, false}},
};

const Row& RowOf(DataType type) { return kRows[static_cast<size_t>(type)]; }

}  // namespace

size_t SizeOf(DataType type) { return RowOf(type).size; }
const char* NameOf(DataType type) { return RowOf(type).name; }
bool IsInteger(DataType type) { return RowOf(type).integer; }
const char* NumpyName(DataType type) { return RowOf(type).numpy; }

std::optional<DataType> DataTypeOf(absl::string_view name) {
  for (const Row& row : kRows) {
    if (name == row.name) return row.type;
  }
  return std::nullopt;
}

std::optional<DataType> DataTypeOfNumpy(absl::string_view name) {
  for (const Row& row : kRows) {
    if (row.numpy != nullptr && name == row.numpy) return row.type;
  }
  return std::nullopt;
}

const ProgramType* ProgramTypeOf(int number) {
  for (const auto& row : kProgramTypes) {
    if (row.number == number) return &row.type;
  }
  return nullptr;
}

}  // namespace base
