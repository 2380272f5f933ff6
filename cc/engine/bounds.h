// Bounds of whole numbers.
#ifndef CC_ENGINE_BOUNDS_H_
#define CC_ENGINE_BOUNDS_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace engine {

// No bound.
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

// A whole number that a double has exactly.
inline std::optional<int64_t> Whole(double value) {
  if (!(std::abs(value) < 1e15) || value != std::trunc(value)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(value);
}

// a / b, rounded down and up; b > 0.
inline int64_t Floor(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}
inline int64_t Ceil(int64_t a, int64_t b) {
  return a / b + (a % b > 0 ? 1 : 0);
}

// No bound stays none.
inline int64_t Plus(int64_t bound, int64_t offset) {
  if (bound == kLowest || bound == kHighest) return bound;
  int64_t sum;
  if (__builtin_add_overflow(bound, offset, &sum)) {
    return offset < 0 ? kLowest : kHighest;
  }
  return sum;
}

}  // namespace engine

#endif  // CC_ENGINE_BOUNDS_H_
