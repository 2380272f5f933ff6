// HTTP/1.1 on one port, on libevent: one thread reads and writes, handlers
// answer from any thread.
//
// Everything a client can make us hold is bounded: connections, bytes of a
// request, and the time that each may take.
#ifndef CC_SERVER_HTTP_SERVER_H_
#define CC_SERVER_HTTP_SERVER_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/server/http.h"
#include "cc/server/http_connection.h"
#include "cc/server/http_parser.h"

namespace server {

class HttpServer {
 public:
  struct Options {
    // `::` is every address, also where the kernel knows no IPv6.
    std::string host = "127.0.0.1";
    int port = 8080;  // 0: a free one, see port()
    int max_connections = 1024;
    HttpParser::Limits limits;
    HttpTimeouts timeouts;
    std::chrono::milliseconds drain_timeout{4'000};
  };

  // Takes the address without listening yet, so that a server whose port is
  // taken says so before it loads its models.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Bind(
      const Options& options);
  ~HttpServer();

  // From now on clients can connect, and SIGTERM and SIGINT are for Run, which
  // serves the one and heeds the other.
  absl::Status Listen();

  // Serves until it is told to shut down: by SIGTERM or SIGINT, or by
  // Shutdown(). Requests that run are answered, for drain_timeout at most;
  // returns how many were not. A second signal ends the wait.
  int Run(HttpHandler* handler);

  // Thread-safe.
  void Shutdown();
  int connections() const;

  // Where it listens.
  const std::string& host() const;
  int port() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace server

#endif  // CC_SERVER_HTTP_SERVER_H_
