// HTTP as values. What serves these (http_server.h) knows nothing of
// inference; what answers them (rest.h) knows nothing of sockets.
#ifndef CC_SERVER_HTTP_H_
#define CC_SERVER_HTTP_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace server {

struct HttpRequest {
  std::string method;
  std::string target;  // path and query as sent, percent-encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool keep_alive = true;

  absl::string_view path() const {
    return absl::string_view(target).substr(0, target.find('?'));
  }
  // Value of the first header of that name in any case; nullptr if none.
  const std::string* Header(absl::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (absl::EqualsIgnoreCase(key, name)) return &value;
    }
    return nullptr;
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
  std::string body;
};

// Why bytes from a client are not answered by a handler's Handle.
struct HttpError {
  int status = 400;
  std::string message;
};

// Takes the answer to one request, once, on any thread. If all copies go
// without an answer, the client gets an error 500.
using HttpReply = std::function<void(HttpResponse)>;

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Called on the server's thread, which serves nobody else meanwhile.
  virtual void Handle(HttpRequest request, HttpReply reply) = 0;
  // The answer to what is no acceptable request. Called on the same thread.
  virtual HttpResponse Refuse(const HttpError& error) = 0;
  // The server begins to shut down: it will answer what runs and stop.
  virtual void OnDrain() = 0;
};

// "Not Found" for 404.
absl::string_view HttpReason(int status);

}  // namespace server

#endif  // CC_SERVER_HTTP_H_
