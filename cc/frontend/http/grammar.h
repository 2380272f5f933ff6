// The grammar of RFC 9110, RFC 9112 and RFC 3986, as far as requests need it.
// Exactly: what another program might read in another way does not match.
#ifndef CC_FRONTEND_HTTP_GRAMMAR_H_
#define CC_FRONTEND_HTTP_GRAMMAR_H_

#include <charconv>
#include <system_error>

#include "absl/strings/string_view.h"

namespace http {

bool IsTokenChar(char c);
bool IsToken(absl::string_view text);

// No control characters but HTAB; bytes from 0x80 are allowed (obs-text).
bool IsFieldValue(absl::string_view text);

// Optional white space is SP and HTAB, and nothing else.
absl::string_view StripOws(absl::string_view text);

// Whether a list separated by commas has the token, in any case.
bool ListHas(absl::string_view list, absl::string_view token);

// uri-host [":" port]; the host may be empty.
bool IsHost(absl::string_view text);

// absolute-path ["?" query], all else percent-encoded.
bool IsOriginForm(absl::string_view text);

// What may follow the size of a chunk; also nothing.
bool IsChunkExtensions(absl::string_view text);

// Digits only: no sign, no space, no prefix.
template <typename T>
bool ParseUnsigned(absl::string_view text, int base, T* value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value, base);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace http

#endif  // CC_FRONTEND_HTTP_GRAMMAR_H_
