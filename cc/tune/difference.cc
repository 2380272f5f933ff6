#include "cc/tune/difference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_format.h"
#include "cc/base/half.h"

namespace tune {
namespace {

using base::DataType;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <typename T>
T Read(const char* place) {
  T value;
  std::memcpy(&value, place, sizeof(value));
  return value;
}

double Element(DataType dtype, const char* place) {
  switch (dtype) {
    case DataType::kBool:
    case DataType::kUint8:
      return Read<uint8_t>(place);
    case DataType::kInt8:
      return Read<int8_t>(place);
    case DataType::kUint16:
      return Read<uint16_t>(place);
    case DataType::kInt16:
      return Read<int16_t>(place);
    case DataType::kUint32:
      return Read<uint32_t>(place);
    case DataType::kInt32:
      return Read<int32_t>(place);
    case DataType::kUint64:
      return static_cast<double>(Read<uint64_t>(place));
    case DataType::kInt64:
      return static_cast<double>(Read<int64_t>(place));
    case DataType::kFloat16:
      return base::Float16{Read<uint16_t>(place)}.value();
    case DataType::kBfloat16:
      return base::Bfloat16{Read<uint16_t>(place)}.value();
    case DataType::kFloat32:
      return Read<float>(place);
    case DataType::kFloat64:
      return Read<double>(place);
    case DataType::kBytes:
      break;
  }
  return 0;
}

}  // namespace

void Difference::Add(const Difference& other) {
  bits = bits || other.bits;
  most = std::max(most, other.most);
}

std::string Difference::Words() const {
  if (!bits) return "equal";
  return most == kInfinity ? "differ beyond numbers"
                           : absl::StrFormat("differ by at most %.2g", most);
}

Difference Compare(const Answer& a, const Answer& b) {
  if (a.size() != b.size()) return {true, kInfinity};
  Difference difference;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].dtype != b[i].dtype || a[i].shape != b[i].shape ||
        a[i].lod != b[i].lod || a[i].data.size() != b[i].data.size() ||
        base::SizeOf(a[i].dtype) == 0) {
      return {true, kInfinity};
    }
    if (a[i].data == b[i].data) continue;
    const std::string left(a[i].data);
    const std::string right(b[i].data);
    const size_t size = base::SizeOf(a[i].dtype);
    difference.bits = true;
    for (size_t at = 0; at < left.size(); at += size) {
      if (std::memcmp(&left[at], &right[at], size) == 0) continue;
      const double apart = std::abs(Element(a[i].dtype, &left[at]) -
                                    Element(b[i].dtype, &right[at]));
      difference.most =
          std::max(difference.most, std::isnan(apart) ? kInfinity : apart);
    }
  }
  return difference;
}

bool RowOf(const Answer& answer, int64_t rows, int64_t row, Answer* part) {
  part->clear();
  for (const infer::Tensor& output : answer) {
    if (output.shape.empty() || output.shape[0] != rows ||
        !output.lod.empty()) {
      return false;
    }
    infer::Tensor& one = part->emplace_back(output);
    const size_t bytes = output.data.size() / static_cast<size_t>(rows);
    one.shape[0] = 1;
    one.data = output.data.Subcord(static_cast<size_t>(row) * bytes, bytes);
  }
  return true;
}

}  // namespace tune
