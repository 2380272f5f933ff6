#include "cc/frontend/grpc/server.h"

#include <utility>

namespace grpc {
class Server::Impl {
 public:
  Impl(const Options& options, base::Loop* loop, base::ByteBudget* budget)
      : shared_(loop, budget, options.limits, options.timeouts),
        acceptor_(options, loop, &shared_.counts, [this](int fd) {
          return std::make_shared<Connection>(&shared_, fd);
        }) {
    shared_.closed = [this](Connection* connection) {
      acceptor_.OnClosed(connection);
    };
  }

  absl::Status Listen(Handler* handler) {
    shared_.handler = handler;
    return acceptor_.Listen();
  }

  http::Acceptor& acceptor() { return acceptor_; }
  Shared& shared() { return shared_; }

 private:
  Shared shared_;
  http::Acceptor acceptor_;  // its connections end before what they share
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Bind(const Options& options,
                                                     base::Loop* loop,
                                                     base::ByteBudget* budget) {
  auto impl = std::make_unique<Impl>(options, loop, budget);
  if (absl::Status status = impl->acceptor().Bind(); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

absl::Status Server::Listen(Handler* handler) { return impl_->Listen(handler); }
void Server::Drain(std::function<void(int cut)> done) {
  impl_->acceptor().Drain(std::move(done));
}
const http::Counts& Server::counts() const { return impl_->shared().counts; }
int Server::connections() const { return impl_->acceptor().connections(); }
int Server::inflight() const { return impl_->acceptor().owed(); }
const std::string& Server::host() const { return impl_->acceptor().host(); }
int Server::port() const { return impl_->acceptor().port(); }

}  // namespace grpc
