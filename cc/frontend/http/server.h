// HTTP/1.1 on one port, over a base::Loop: one thread reads, writes and calls
// the handler.
//
// Everything a client can make us hold is bounded: connections, the head of a
// request, the bytes of all bodies together (by a base::ByteBudget), and the
// time that each may take.
#ifndef CC_FRONTEND_HTTP_SERVER_H_
#define CC_FRONTEND_HTTP_SERVER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/frontend/http/acceptor.h"
#include "cc/frontend/http/connection.h"
#include "cc/frontend/http/http.h"
#include "cc/frontend/http/parser.h"

namespace http {

// On the loop's thread.
class Server {
 public:
  struct Options : Acceptor::Options {
    Limits limits;
    Timeouts timeouts;
  };

  // Takes the address without listening yet, so that a server whose port is
  // taken says so before it loads its models. Loop and budget outlive it.
  static absl::StatusOr<std::unique_ptr<Server>> Bind(const Options& options,
                                                      base::Loop* loop,
                                                      base::ByteBudget* budget);
  // Closes every connection, and calls nobody.
  ~Server();

  // From now on clients can connect; they are served while the loop runs.
  absl::Status Listen(Handler* handler);

  // Ends in three steps. For drain_delay all is served as before, but that each
  // answer is the last of its connection: whoever routes requests here needs
  // that time to learn that they must go elsewhere, and a client that is told
  // so by an answer sends nothing into a connection that is being closed.
  // Then no connection is taken any more, those on which nothing was asked are
  // closed, and what has begun, with the first byte of a request, is answered.
  // Whatever is left after drain_timeout is cut. Then `done` gets the number of
  // requests that were cut, at the end of a round of the loop. A second call
  // cuts at once; its own `done` is not called.
  void Drain(std::function<void(int cut)> done);

  const Counts& counts() const;
  int connections() const;
  // Requests that have begun to come or are being answered.
  int inflight() const;

  // Where it listens.
  const std::string& host() const;
  int port() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_SERVER_H_
