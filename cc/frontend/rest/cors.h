// Which pages of other origins a browser lets read what is answered here: the
// CORS protocol, https://fetch.spec.whatwg.org/#http-cors-protocol. Without
// cookies and logins, which this server knows nothing of.
#ifndef CC_FRONTEND_REST_CORS_H_
#define CC_FRONTEND_REST_CORS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cc/frontend/http/http.h"

namespace rest {

class Cors {
 public:
  // Origins as browsers send them; "*" is any. None: there is no CORS.
  explicit Cors(std::vector<std::string> origins);

  // INVALID_ARGUMENT where no browser has that origin, and it is not "*".
  static absl::Status CheckOrigin(absl::string_view origin);

  // Of an answer to the request; nullptr: to one that could not be read.
  http::Headers Headers(const http::Request* request) const;

  // Whether a browser asks if a page may ask.
  bool IsPreflight(const http::Request& request) const;
  // PERMISSION_DENIED: not pages of that origin.
  absl::Status Check(const http::Request& request) const;
  // The answer, to be sent with Headers; `methods` are those of the path.
  static http::Response Preflight(std::string methods,
                                  std::string wanted_headers);

 private:
  bool Allows(absl::string_view origin) const;

  const std::vector<std::string> origins_;
  const bool any_;
};

}  // namespace rest

#endif  // CC_FRONTEND_REST_CORS_H_
