// HTTP as values. What serves these (server.h) knows nothing of inference;
// what answers them knows nothing of sockets. Everything happens on the thread
// of one base::Loop.
#ifndef CC_FRONTEND_HTTP_HTTP_H_
#define CC_FRONTEND_HTTP_HTTP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string target;  // path and query as sent, percent-encoded
  Headers headers;
  // The blocks that the bytes were received into, adopted. At least 64 bytes
  // after the end of each chunk are readable.
  absl::Cord body;
  bool keep_alive = true;

  absl::string_view path() const {
    return absl::string_view(target).substr(0, target.find('?'));
  }
  // Value of the first header of that name in any case; nullptr if none.
  const std::string* Header(absl::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  // Further ones. Content-Length, Connection and Date are the server's.
  Headers headers;
  absl::Cord body;
};

// Why the server itself does not accept what a client has sent.
struct Error {
  int status = 400;
  std::string message;
};

// Takes the answer to one request. If it goes without one, the client gets an
// error 500. May outlive the client's connection and the server, not the loop.
class Reply {
 public:
  virtual ~Reply() = default;
  // Once, also from within Handler::Handle.
  virtual void Send(Response response) = 0;
  // Calls `gone` if the client goes before Send; at most once, never from
  // within OnGone. A client that only says that it has finished sending looks
  // the same, as it does to other servers, and would still get an answer.
  virtual void OnGone(std::function<void()> gone) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;

  // Names of headers that a request may have once only. Content-Length,
  // Content-Type, Host and Transfer-Encoding always are. Asked for once.
  virtual std::vector<std::string> SingleHeaders() const { return {}; }

  // Called when the head is complete, before a body is asked for by "100
  // Continue" or read. An answer refuses the request: it is sent, and the
  // connection is closed unless all of the request has come already. The size
  // is what Content-Length says; 0 if the body is chunked
  // (Transfer-Encoding).
  virtual std::optional<Response> CheckHead(const Request& head,
                                            uint64_t declared_body_bytes) = 0;

  // The request is complete.
  virtual void Handle(Request request, std::shared_ptr<Reply> reply) = 0;

  // The answer to what is no acceptable request.
  virtual Response Refuse(const Error& error) = 0;
};

// "Not Found" for 404.
absl::string_view Reason(int status);

}  // namespace http

#endif  // CC_FRONTEND_HTTP_HTTP_H_
