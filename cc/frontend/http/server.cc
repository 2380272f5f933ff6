#include "cc/frontend/http/server.h"

#include <utility>

#include "cc/frontend/http/acceptor.h"

namespace http {
namespace {

constexpr size_t kScratch = 64 << 10;

}  // namespace

class Server::Impl {
 public:
  Impl(const Options& options, base::Loop* loop, base::ByteBudget* budget)
      : acceptor_(options, loop, &shared_.counts, [this](int fd) {
          return std::make_shared<Connection>(&shared_, fd);
        }) {
    shared_.loop = loop;
    shared_.limits = options.limits;
    shared_.timeouts = options.timeouts;
    shared_.pool = BlockPool::Make(budget);
    shared_.scratch.resize(kScratch);
    shared_.closed = [this](Connection* connection) {
      acceptor_.OnClosed(connection);
    };
  }

  absl::Status Listen(Handler* handler) {
    shared_.handler = handler;
    shared_.single_headers = handler->SingleHeaders();
    return acceptor_.Listen();
  }

  void Drain(std::function<void(int)> done) {
    shared_.draining = true;
    acceptor_.Drain(std::move(done));
  }

  Acceptor& acceptor() { return acceptor_; }
  const Counts& counts() const { return shared_.counts; }

 private:
  Shared shared_;
  Acceptor acceptor_;  // its connections end before what they share
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Bind(const Options& options,
                                                     base::Loop* loop,
                                                     base::ByteBudget* budget) {
  auto impl = std::make_unique<Impl>(options, loop, budget);
  if (absl::Status status = impl->acceptor().Bind(); !status.ok())
    return status;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

absl::Status Server::Listen(Handler* handler) { return impl_->Listen(handler); }
void Server::Drain(std::function<void(int cut)> done) {
  impl_->Drain(std::move(done));
}
const Counts& Server::counts() const { return impl_->counts(); }
int Server::connections() const { return impl_->acceptor().connections(); }
int Server::inflight() const { return impl_->acceptor().owed(); }
const std::string& Server::host() const { return impl_->acceptor().host(); }
int Server::port() const { return impl_->acceptor().port(); }

}  // namespace http
