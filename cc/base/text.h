// Bounded words: clients choose names, paths and ids, and what they choose goes
// into logs and error messages up to a bound only.
#ifndef CC_BASE_TEXT_H_
#define CC_BASE_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace base {

// Length of the UTF-8 sequence at the start of `text`, 0 if it is malformed.
size_t Utf8SequenceLength(absl::string_view text);
bool IsUtf8(absl::string_view text);

// The first `max` bytes, and no half of a UTF-8 sequence at the end.
absl::string_view Clip(absl::string_view text, size_t max);

// "name" in quotes; of a longer one the first `max` bytes and "..." before the
// closing quote.
std::string Quote(absl::string_view text, size_t max = 100);

// Appends the text with each %XX as the byte that it is (RFC 3986,
// section 2.1). False where a % has no two hexadecimal digits behind it; it
// stays as it is.
bool PercentDecode(absl::string_view text, std::string* out);

// "[1,3,32,32]"
std::string ShapeText(const std::vector<int64_t>& shape);

// Offsets of sequences (LoD): "[0,2,5]", or a list of such lists.
std::string LodText(const std::vector<std::vector<int64_t>>& lod);

}  // namespace base

#endif  // CC_BASE_TEXT_H_
