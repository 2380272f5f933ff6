// Codings of bodies and messages: their names in HTTP (RFC 9110 8.4.1) and
// gRPC, and what a client says of them.
#ifndef CC_FRONTEND_CODING_CODING_H_
#define CC_FRONTEND_CODING_CODING_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace coding {

enum class Coding {
  kIdentity,
  kGzip,     // RFC 1952
  kDeflate,  // the zlib format, RFC 1950
};

// What is served, for headers that tell it.
inline constexpr absl::string_view kServed = "gzip, deflate";

// "gzip"
absl::string_view NameOf(Coding coding);

// Of a name in any case; the old name x-gzip is gzip. nullopt: it is not
// served.
std::optional<Coding> CodingOf(absl::string_view name);

// Of the list in Content-Encoding, in which `identity` counts for nothing.
// nullopt where one is not served, or more than one is left.
std::optional<Coding> ContentCoding(absl::string_view list);

// Of "0.5", in thousandths; nullopt where it is no weight (RFC 9110 12.4.2).
std::optional<int> ParseWeight(absl::string_view text);

// The coding that a client likes best, by the list in Accept-Encoding and its
// weights; gzip, where it likes both as much. `identity` where it takes
// neither, or likes none better. What is malformed counts for nothing.
Coding AcceptedCoding(absl::string_view list);

}  // namespace coding

#endif  // CC_FRONTEND_CODING_CODING_H_
