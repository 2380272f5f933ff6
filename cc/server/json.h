// Writing JSON: free functions that append to a string. (Reading is by
// simdjson, see decode.cc.)
#ifndef CC_SERVER_JSON_H_
#define CC_SERVER_JSON_H_

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace server {

// Appends `text` in quotes. Bytes that are no UTF-8 become U+FFFD, so the
// result is valid JSON whatever came in.
void AppendJsonString(absl::string_view text, std::string* out);

// Appends the shortest decimal that reads back as the same value of the same
// type; false, and nothing appended, for NaN and infinities, which JSON lacks.
template <typename T>
bool AppendJsonNumber(T value, std::string* out) {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return false;
  }
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  out->append(digits, end);
  if constexpr (std::is_floating_point_v<T>) {
    // Readers take what looks like an integer for one: -0 would lose its sign
    // and 100000000000000000000 would not fit.
    const bool looks_integer = std::find_if(digits, end, [](char c) {
                                 return c == '.' || c == 'e';
                               }) == end;
    if (looks_integer &&
        (value == 0 ? std::signbit(value) : end - digits > 15)) {
      out->append(".0");
    }
  }
  return true;
}

}  // namespace server

#endif  // CC_SERVER_JSON_H_
