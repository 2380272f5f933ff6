// Serves gRPC on one address: HTTP/2 without TLS, with prior knowledge.
#ifndef CC_FRONTEND_GRPC_SERVER_H_
#define CC_FRONTEND_GRPC_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/frontend/grpc/connection.h"
#include "cc/frontend/grpc/grpc.h"
#include "cc/frontend/http/acceptor.h"

namespace grpc {

// On the loop's thread.
class Server {
 public:
  struct Options : http::Acceptor::Options {
    Limits limits;
    http::Timeouts timeouts;
  };

  // Takes the address without listening yet. Loop and budget outlive it.
  static absl::StatusOr<std::unique_ptr<Server>> Bind(const Options& options,
                                                      base::Loop* loop,
                                                      base::ByteBudget* budget);
  // Closes every connection, and calls nobody.
  ~Server();

  // From now on clients can connect; they are served while the loop runs.
  absl::Status Listen(Handler* handler);

  // See http::Acceptor::Drain. Clients are told by GOAWAY at once; a connection
  // ends when the client has heard it and all its calls are answered.
  void Drain(std::function<void(int cut)> done);

  const http::Counts& counts() const;
  int connections() const;
  // Requests that have begun to come or are being answered.
  int inflight() const;
  const std::string& host() const;
  int port() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_SERVER_H_
