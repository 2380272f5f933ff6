// Responses as bytes.
#ifndef CC_FRONTEND_HTTP_RESPONSE_H_
#define CC_FRONTEND_HTTP_RESPONSE_H_

#include <ctime>
#include <string>

#include "absl/strings/string_view.h"
#include "cc/frontend/http/http.h"

namespace http {

// "Sun, 06 Nov 1994 08:49:37 GMT" (IMF-fixdate), in any locale.
std::string FormatDate(time_t time);

// The time now for the Date header, formatted once per second. Not thread-safe.
class Date {
 public:
  absl::string_view Now();

 private:
  time_t time_ = -1;
  std::string text_;
};

// Whether an answer of that status has a body at all.
bool HasBody(int status);

// Status line and headers, to the empty line.
std::string FormatHead(const Response& response, bool keep_alive,
                       absl::string_view date);

}  // namespace http

#endif  // CC_FRONTEND_HTTP_RESPONSE_H_
