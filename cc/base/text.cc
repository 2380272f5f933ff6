#include "cc/base/text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace base {
namespace {

bool IsContinuation(char c) { return (c & 0xC0) == 0x80; }

}  // namespace

size_t Utf8SequenceLength(absl::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  // Bounds of the second byte shut out overlong forms, surrogates and what
  // lies beyond U+10FFFF.
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return length;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

absl::string_view Clip(absl::string_view text, size_t max) {
  if (text.size() <= max) return text;
  size_t end = max;
  // A sequence has at most three bytes after its first.
  while (end > 0 && max - end < 3 && IsContinuation(text[end])) --end;
  return text.substr(0, IsContinuation(text[end]) ? max : end);
}

std::string Quote(absl::string_view text, size_t max) {
  return absl::StrCat("\"", Clip(text, max),
                      text.size() > max ? "...\"" : "\"");
}

bool PercentDecode(absl::string_view text, std::string* out) {
  bool valid = true;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t byte = 0;
    if (text[i] != '%') {
      out->push_back(text[i]);
    } else if (i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
               absl::ascii_isxdigit(text[i + 2]) &&
               absl::SimpleHexAtoi(text.substr(i + 1, 2), &byte)) {
      out->push_back(static_cast<char>(byte));
      i += 2;
    } else {
      out->push_back('%');
      valid = false;
    }
  }
  return valid;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

std::string LodText(const std::vector<std::vector<int64_t>>& lod) {
  if (lod.size() == 1) return ShapeText(lod[0]);
  const auto append = [](std::string* text, const auto& level) {
    text->append(ShapeText(level));
  };
  return absl::StrCat("[", absl::StrJoin(lod, ",", append), "]");
}

}  // namespace base
