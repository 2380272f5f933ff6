#include "cc/base/made_up.h"

#include <cstdint>
#include <random>

#include "cc/base/data_type.h"

namespace base {
namespace {

template <typename T>
void AppendAs(double value, std::string* out) {
  const T element = static_cast<T>(value);
  out->append(reinterpret_cast<const char*>(&element), sizeof(element));
}

}  // namespace

std::string MadeUpValues(const TensorSpec& spec, size_t elements,
                         unsigned seed) {
  std::minstd_rand random(seed + 1);
  const int64_t low = spec.range ? spec.range->min : 0;
  const int64_t high = spec.range ? spec.range->max : 1;
  std::string bytes;
  bytes.reserve(elements * SizeOf(spec.dtype));
  for (size_t i = 0; i < elements; ++i) {
    // Of few enough bits to be exact in half precision.
    const double real = static_cast<double>(random() % 1024) / 512 - 1;
    const double whole = static_cast<double>(
        low + static_cast<int64_t>(random()) % (high - low + 1));
    switch (spec.dtype) {
      case DataType::kFloat32:
        AppendAs<float>(real, &bytes);
        break;
      case DataType::kFloat64:
        AppendAs<double>(real, &bytes);
        break;
      case DataType::kInt64:
        AppendAs<int64_t>(whole, &bytes);
        break;
      case DataType::kInt32:
        AppendAs<int32_t>(whole, &bytes);
        break;
      case DataType::kUint8:
      case DataType::kInt8:
      case DataType::kBool:
        AppendAs<int8_t>(static_cast<double>(random() % 2), &bytes);
        break;
      default:  // half precision: 0 or 1.0
        AppendAs<uint16_t>(random() % 2 == 0 ? 0 : 0x3c00, &bytes);
    }
  }
  return bytes;
}

}  // namespace base
