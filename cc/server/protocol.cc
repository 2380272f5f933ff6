#include "cc/server/protocol.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace server {
namespace {

using engine::DataType;

constexpr std::pair<DataType, absl::string_view> kDataTypes[] = {
    {DataType::kBool, "BOOL"},    {DataType::kUint8, "UINT8"},
    {DataType::kInt8, "INT8"},    {DataType::kInt32, "INT32"},
    {DataType::kInt64, "INT64"},  {DataType::kFloat16, "FP16"},
    {DataType::kFloat32, "FP32"}, {DataType::kFloat64, "FP64"},
};

}  // namespace

absl::string_view DataTypeName(DataType type) {
  for (const auto& [known, name] : kDataTypes) {
    if (known == type) return name;
  }
  return "";
}

std::optional<DataType> ParseDataType(absl::string_view name) {
  for (const auto& [type, known] : kDataTypes) {
    if (known == name) return type;
  }
  return std::nullopt;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

}  // namespace server
