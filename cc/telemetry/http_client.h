// One request over HTTP/1.1 and its answer, within a deadline: for a health
// check, and for what is sent to a collector. Without TLS, redirects and
// connections that are kept.
#ifndef CC_TELEMETRY_HTTP_CLIENT_H_
#define CC_TELEMETRY_HTTP_CLIENT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/base/clock.h"

namespace telemetry {

struct Url {
  std::string host;  // a name, an IPv4 or IPv6 address; empty: this machine
  uint16_t port = 80;
  std::string path = "/";  // and query
};

// "http://host:4318/path", with an IPv6 address in brackets. INVALID_ARGUMENT
// says what is wrong with it, as with https://.
absl::StatusOr<Url> ParseUrl(absl::string_view text);

struct HttpAnswer {
  int status = 0;
  std::string status_line;  // "HTTP/1.1 503 Service Unavailable"
  std::string retry_after;  // the header; empty: none
  std::string body;         // its first 64 KiB
};

// Waits until the answer is there or the deadline over; only the name's look-up
// may take longer. With a body it is a POST of JSON, else a GET. UNAVAILABLE:
// nobody answers; DEADLINE_EXCEEDED; INTERNAL: what came is not HTTP.
absl::StatusOr<HttpAnswer> Ask(const Url& url, absl::string_view json,
                               base::Clock::time_point deadline);

}  // namespace telemetry

#endif  // CC_TELEMETRY_HTTP_CLIENT_H_
