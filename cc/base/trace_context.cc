#include "cc/base/trace_context.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace base {
namespace {

constexpr size_t kVersion00 = 55;  // "00-" 32 "-" 16 "-" 2
constexpr size_t kMaxMembers = 32;

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;  // upper case is not valid
}

// All of `text`, at most 16 digits.
bool ReadHex(absl::string_view text, uint64_t* value) {
  *value = 0;
  for (const char c : text) {
    const int digit = Digit(c);
    if (digit < 0) return false;
    *value = *value << 4 | static_cast<uint64_t>(digit);
  }
  return true;
}

bool IsKeyChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '*' || c == '/';
}

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }

// Section 3.3.1.3.1: "vendor", or "tenant@system".
bool IsKey(absl::string_view key) {
  const auto is = [](absl::string_view part, size_t most) {
    return !part.empty() && part.size() <= most &&
           std::all_of(part.begin(), part.end(), IsKeyChar);
  };
  const size_t at = key.find('@');
  if (at == key.npos) return is(key, 256) && IsLower(key[0]);
  const absl::string_view system = key.substr(at + 1);
  return is(key.substr(0, at), 241) && key[0] != '_' && key[0] != '-' &&
         key[0] != '*' && key[0] != '/' && is(system, 14) && IsLower(system[0]);
}

// Section 3.3.1.3.2: printable ASCII without ',' and '=', no blank at the end.
bool IsValue(absl::string_view value) {
  return !value.empty() && value.size() <= 256 && value.back() != ' ' &&
         std::all_of(value.begin(), value.end(), [](char c) {
           return c >= ' ' && c <= '~' && c != ',' && c != '=';
         });
}

absl::InsecureBitGen& Generator() {
  thread_local absl::InsecureBitGen generator;
  return generator;
}

absl::string_view Strip(absl::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string HexOf(uint64_t span) {
  return absl::StrCat(absl::Hex(span, absl::kZeroPad16));
}

std::string TraceId::Hex() const {
  return absl::StrCat(absl::Hex(high, absl::kZeroPad16),
                      absl::Hex(low, absl::kZeroPad16));
}

std::optional<TraceParent> ParseTraceParent(absl::string_view header) {
  TraceParent parent;
  uint64_t version = 0;
  uint64_t flags = 0;
  if (header.size() < kVersion00 || header[2] != '-' || header[35] != '-' ||
      header[52] != '-' || !ReadHex(header.substr(0, 2), &version) ||
      !ReadHex(header.substr(3, 16), &parent.trace.high) ||
      !ReadHex(header.substr(19, 16), &parent.trace.low) ||
      !ReadHex(header.substr(36, 16), &parent.span) ||
      !ReadHex(header.substr(53, 2), &flags)) {
    return std::nullopt;
  }
  if (version == 0xff || !parent.trace.valid() || parent.span == 0) {
    return std::nullopt;
  }
  if (header.size() > kVersion00 && (version == 0 || header[55] != '-')) {
    return std::nullopt;
  }
  // All that is known of later versions is the first flag.
  parent.flags = static_cast<uint8_t>(flags & 1);
  return parent;
}

bool IsTraceState(absl::string_view header) {
  if (header.empty() || header.size() > kMaxTraceState) return false;
  std::array<absl::string_view, kMaxMembers> keys;
  size_t count = 0;
  for (const absl::string_view part : absl::StrSplit(header, ',')) {
    const absl::string_view member = Strip(part);
    if (member.empty()) continue;  // allowed
    const size_t equals = member.find('=');
    if (equals == member.npos || count == kMaxMembers) return false;
    const absl::string_view key = member.substr(0, equals);
    if (!IsKey(key) || !IsValue(member.substr(equals + 1)) ||
        std::find(keys.begin(), keys.begin() + count, key) !=
            keys.begin() + count) {
      return false;
    }
    keys[count++] = key;
  }
  return count > 0;
}

uint64_t NewSpanId() {
  uint64_t id = 0;
  while (id == 0) id = Generator()();
  return id;
}

TraceContext TraceContext::Of(TraceParent parent) {
  TraceContext context;
  context.trace =
      parent.valid() ? parent.trace : TraceId{Generator()(), NewSpanId()};
  context.span = NewSpanId();
  context.parent = std::move(parent);
  return context;
}

TraceShare::TraceShare(double share)
    : below_(share >= 1 ? uint64_t{1} << 63
                        : static_cast<uint64_t>(
                              std::ldexp(std::max(share, 0.0), 63))) {}

}  // namespace base
