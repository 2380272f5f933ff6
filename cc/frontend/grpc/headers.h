// Values of gRPC's headers.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
#ifndef CC_FRONTEND_GRPC_HEADERS_H_
#define CC_FRONTEND_GRPC_HEADERS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "cc/base/clock.h"
#include "cc/frontend/coding/coding.h"

namespace grpc {

// grpc-accept-encoding, which is in every answer.
inline constexpr absl::string_view kAcceptEncoding = "identity, deflate, gzip";

// As grpc-message is written: printable ASCII but for '%'.
std::string PercentEncode(absl::string_view text);

// Of grpc-timeout, "100m": at most eight digits and a unit.
std::optional<base::Clock::duration> ParseTimeout(absl::string_view text);

// Whether `coding` is in the list of grpc-accept-encoding.
bool Accepts(absl::string_view list, coding::Coding coding);

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_HEADERS_H_
