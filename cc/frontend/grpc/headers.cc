#include "cc/frontend/grpc/headers.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace grpc {

std::string PercentEncode(absl::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out.push_back(c);
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

std::optional<base::Clock::duration> ParseTimeout(absl::string_view text) {
  uint64_t count = 0;
  if (text.size() < 2 || text.size() > 9 || text[0] == '+' ||
      !absl::SimpleAtoi(text.substr(0, text.size() - 1), &count)) {
    return std::nullopt;
  }
  // 99999999 hours are beyond what the clock counts.
  constexpr uint64_t kMostHours = 24 * 365 * 100;
  switch (text.back()) {
    case 'H':
      return std::chrono::hours(std::min(count, kMostHours));
    case 'M':
      return std::chrono::minutes(count);
    case 'S':
      return std::chrono::seconds(count);
    case 'm':
      return std::chrono::milliseconds(count);
    case 'u':
      return std::chrono::microseconds(count);
    case 'n':
      return std::chrono::nanoseconds(count);
    default:
      return std::nullopt;
  }
}

bool Accepts(absl::string_view list, coding::Coding coding) {
  for (const absl::string_view name : absl::StrSplit(list, ',')) {
    if (absl::StripAsciiWhitespace(name) == coding::NameOf(coding)) return true;
  }
  return false;
}

}  // namespace grpc
