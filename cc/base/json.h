// Writing JSON: free functions that append to a string. (Reading is by
// simdjson, see //cc/frontend/rest.)
#ifndef CC_BASE_JSON_H_
#define CC_BASE_JSON_H_

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace base {

// Appends `text` in quotes. Bytes that are not UTF-8 become U+FFFD, so the
// result is valid JSON whatever came in.
void AppendJsonString(absl::string_view text, std::string* out);

// The longest that WriteJsonNumber writes.
inline constexpr size_t kMaxJsonNumber = 32;

// Writes the shortest decimal that reads back as the same value of the same
// type; returns its end. nullptr, and nothing is written, for NaN and
// infinities, which JSON lacks.
template <typename T>
char* WriteJsonNumber(T value, char* to) {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return nullptr;
  }
  char* end = std::to_chars(to, to + kMaxJsonNumber, value).ptr;
  if constexpr (std::is_floating_point_v<T>) {
    // Readers take what looks like an integer for one: -0 would lose its sign
    // and 100000000000000000000 would not fit.
    const bool may_mislead = value == 0 ? std::signbit(value) : end - to > 15;
    if (may_mislead &&
        std::none_of(to, end, [](char c) { return c == '.' || c == 'e'; })) {
      *end++ = '.';
      *end++ = '0';
    }
  }
  return end;
}

// The same, appended; false where nothing is.
template <typename T>
bool AppendJsonNumber(T value, std::string* out) {
  char digits[kMaxJsonNumber];
  const char* end = WriteJsonNumber(value, digits);
  if (end == nullptr) return false;
  out->append(digits, static_cast<size_t>(end - digits));
  return true;
}

}  // namespace base

#endif  // CC_BASE_JSON_H_
