// Versions of models: positive decimal numbers.
#ifndef CC_INFER_VERSION_H_
#define CC_INFER_VERSION_H_

#include <charconv>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace infer {

// nullopt where the text is no such number, written in the one way there is.
inline std::optional<uint64_t> ParseVersion(absl::string_view text) {
  uint64_t version = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, version);
  if (result.ec != std::errc() || result.ptr != end || text[0] == '0') {
    return std::nullopt;
  }
  return version;
}

}  // namespace infer

#endif  // CC_INFER_VERSION_H_
