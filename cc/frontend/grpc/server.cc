#include "cc/frontend/grpc/server.h"

#include <nghttp2/nghttp2.h>

#include <new>
#include <utility>

namespace grpc {
namespace {

constexpr size_t kScratch = 64 << 10;
// Answers to pings and settings that wait for a client that does not read.
constexpr size_t kMostAcks = 128;
// Calls that a client may cancel at once, and in a second.
constexpr uint64_t kResets = 1000;
constexpr uint64_t kResetsPerSecond = 200;

}  // namespace

class Server::Impl {
 public:
  Impl(const Options& options, base::Loop* loop, base::ByteBudget* budget)
      : coders_(loop, budget),
        acceptor_(options, loop, &shared_.counts, [this](int fd) {
          return std::make_shared<Connection>(&shared_, fd);
        }) {
    shared_.loop = loop;
    shared_.budget = budget;
    shared_.coders = &coders_;
    shared_.limits = options.limits;
    shared_.timeouts = options.timeouts;
    shared_.pool = http::BlockPool::Make(budget);
    shared_.scratch.resize(kScratch);
    shared_.closed = [this](Connection* connection) {
      acceptor_.OnClosed(connection);
    };
    if (nghttp2_session_callbacks_new(&shared_.callbacks) != 0 ||
        nghttp2_option_new(&shared_.options) != 0) {
      throw std::bad_alloc();
    }
    Connection::SetCallbacks(shared_.callbacks);
    nghttp2_option* const option = shared_.options;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, kMostAcks);
    nghttp2_option_set_stream_reset_rate_limit(option, kResets,
                                               kResetsPerSecond);
  }

  ~Impl() {
    nghttp2_option_del(shared_.options);
    nghttp2_session_callbacks_del(shared_.callbacks);
  }

  absl::Status Listen(Handler* handler) {
    shared_.handler = handler;
    return acceptor_.Listen();
  }

  http::Acceptor& acceptor() { return acceptor_; }
  Shared& shared() { return shared_; }

 private:
  Shared shared_;
  coding::Coders coders_;
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
const std::string& Server::host() const { return impl_->acceptor().host(); }
int Server::port() const { return impl_->acceptor().port(); }

}  // namespace grpc
