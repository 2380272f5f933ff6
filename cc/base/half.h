// FP16 and BF16 as numbers.
#ifndef CC_BASE_HALF_H_
#define CC_BASE_HALF_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>

namespace base {

// A floating-point number of 16 bits: sign, exponent, fraction.
template <int kFractionBits, int kMinExponent>
struct Half {
  static constexpr uint16_t kInfinity =
      static_cast<uint16_t>(0x7FFF >> kFractionBits << kFractionBits);

  uint16_t bits = 0;

  // The nearest, halves to even; nullopt where that is an infinity.
  static std::optional<Half> Of(double value) {
    const double size = std::abs(value);
    if (!std::isfinite(value)) return std::nullopt;
    uint16_t bits = 0;
    if (size > 0) {
      // Between two powers of two numbers are multiples of one quantum; below
      // the smallest power, of its quantum. Scaling by powers of two is exact.
      const int exponent = std::max(std::ilogb(size), kMinExponent);
      if (exponent > 127) return std::nullopt;
      const double quanta =
          std::nearbyint(std::ldexp(size, kFractionBits - exponent));
      // The implicit bit of the quanta carries into the exponent by itself, as
      // does rounding up to the next power of two.
      const int64_t all =
          (static_cast<int64_t>(exponent - kMinExponent) << kFractionBits) +
          static_cast<int64_t>(quanta);
      if (all >= kInfinity) return std::nullopt;
      bits = static_cast<uint16_t>(all);
    }
    if (std::signbit(value)) bits |= 0x8000;
    return Half{bits};
  }

  // Exact.
  float value() const {
    const int exponent = (bits & 0x7FFF) >> kFractionBits;
    const int fraction = bits & ((1 << kFractionBits) - 1);
    float size = 0;
    if ((bits & kInfinity) == kInfinity) {
      size = fraction != 0 ? NAN : INFINITY;
    } else if (exponent == 0) {
      size = std::ldexp(static_cast<float>(fraction),
                        kMinExponent - kFractionBits);
    } else {
      size = std::ldexp(static_cast<float>((1 << kFractionBits) + fraction),
                        exponent - 1 + kMinExponent - kFractionBits);
    }
    return (bits & 0x8000) != 0 ? -size : size;
  }
};

using Float16 = Half<10, -14>;
using Bfloat16 = Half<7, -126>;

}  // namespace base

#endif  // CC_BASE_HALF_H_
