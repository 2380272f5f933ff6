#include "cc/frontend/http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace http {
namespace {

// Beyond max_connections so many more are told why they are turned away.
constexpr int kTurnedAwayAtOnce = 64;
// What is accepted in one turn of the loop.
constexpr int kAcceptsAtOnce = 64;
// Until descriptors or memory may have been given back.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr size_t kScratch = 64 << 10;

absl::Status AddressError(const std::string& host, int port,
                          absl::string_view why, absl::string_view cure) {
  return absl::UnavailableError(absl::StrCat(
      "cannot listen on ", host, " port ", port, ": ", why, "; ", cure));
}

absl::Status SocketError(const std::string& host, int port, int error) {
  return AddressError(
      host, port, strerror(error),
      error == EADDRINUSE
          ? "stop the program that has it, or choose another --port"
      : error == EACCES ? "choose a --port from 1024"
      : error == EMFILE || error == ENFILE
          ? "raise the limit of open files (ulimit -n)"
          : "give an address of this machine to --host");
}

// Free to be given back when descriptors run out, so that one client more can
// be accepted and told.
int OpenReserve() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

class Server::Impl {
 public:
  Impl(const Options& options, base::Loop* loop, base::ByteBudget* budget)
      : options_(options),
        accept_again_(loop, [this] { ResumeAccept(); }),
        drain_timer_(loop, [this] { OnDrainTimer(); }) {
    shared_.loop = loop;
    shared_.limits = options.limits;
    shared_.timeouts = options.timeouts;
    shared_.pool = BlockPool::Make(budget);
    shared_.scratch.resize(kScratch);
    shared_.closed = [this](Connection* connection) { OnClosed(connection); };
  }

  ~Impl() {
    for (const auto& [key, connection] : connections_) connection->Abandon();
    CloseListener();
    if (reserve_ >= 0) close(reserve_);
  }

  absl::Status Bind() {
    addrinfo hints = {};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error =
        getaddrinfo(options_.host.c_str(), absl::StrCat(options_.port).c_str(),
                    &hints, &found);
    if (error != 0) {
      return AddressError(options_.host, options_.port, gai_strerror(error),
                          "give an address of this machine to --host");
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> address(found,
                                                                 freeaddrinfo);
    fd_ =
        socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0 && errno == EAFNOSUPPORT && options_.host == "::") {
      options_.host = "0.0.0.0";  // every address of a kernel without IPv6
      return Bind();
    }
    const int one = 1, zero = 0;
    if (fd_ >= 0 && found->ai_family == AF_INET6) {
      // IPv4 too, whatever net.ipv6.bindv6only says.
      setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    }
    if (fd_ < 0 ||
        setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        // Linux gives it on to what is accepted.
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        bind(fd_, found->ai_addr, found->ai_addrlen) != 0) {
      return SocketError(options_.host, options_.port, errno);
    }
    sockaddr_storage bound = {};
    socklen_t size = sizeof(bound);
    if (getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
      return SocketError(options_.host, options_.port, errno);
    }
    // The port lies at the same place for IPv4 and IPv6.
    port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
    return absl::OkStatus();
  }

  absl::Status Listen(Handler* handler) {
    shared_.handler = handler;
    shared_.single_headers = handler->SingleHeaders();
    reserve_ = OpenReserve();
    if (listen(fd_, SOMAXCONN) != 0) {
      return SocketError(options_.host, port_, errno);
    }
    listener_.emplace(shared_.loop, fd_, [this](bool, bool) { OnAccept(); });
    if (!listener_->Want(true, false)) {
      return SocketError(options_.host, port_, errno);
    }
    return absl::OkStatus();
  }

  void Drain(std::function<void(int)> done) {
    if (phase_ != Phase::kServing) return Cut();
    done_ = std::move(done);
    phase_ = Phase::kDelay;
    shared_.draining = true;
    if (options_.drain_delay.count() > 0) {
      drain_timer_.Start(options_.drain_delay);
    } else {
      Finish();
    }
  }

  const Counts& counts() const { return shared_.counts; }
  int connections() const { return static_cast<int>(connections_.size()); }
  const std::string& host() const { return options_.host; }
  int port() const { return port_; }

 private:
  enum class Phase { kServing, kDelay, kFinishing, kDone };

  // ---- Accepting

  void OnAccept() {
    for (int i = 0; i < kAcceptsAtOnce; ++i) {
      if (!AcceptOne()) return;
    }
  }

  // Whether there may be more.
  bool AcceptOne() {
    int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Add(fd, {});
      return true;
    }
    switch (errno) {
      case EAGAIN:
        return false;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        ++shared_.counts.accept_errors;
        return AcceptWithReserve() || PauseAccept();
      case EINTR:
      case ECONNABORTED:  // reset while it waited
        return true;
      default:
        // Of the network of that connection, says accept(2); in any case, this
        // does not spin.
        ++shared_.counts.accept_errors;
        return PauseAccept();
    }
  }

  bool AcceptWithReserve() {
    if (reserve_ < 0) return false;
    close(std::exchange(reserve_, -1));
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      reserve_ = OpenReserve();
      return false;
    }
    Add(fd, "the server is out of file descriptors");
    return true;
  }

  bool PauseAccept() {
    listener_->Want(false, false);
    accept_again_.Start(kAcceptPause);
    return false;
  }

  void ResumeAccept() {
    if (!listener_.has_value()) return;
    if (!listener_->Want(true, false)) accept_again_.Start(kAcceptPause);
  }

  // A `refusal`: why it is not served.
  void Add(int fd, std::string refusal) {
    ++shared_.counts.accepted;
    const int count = connections();
    if (count >= options_.max_connections + kTurnedAwayAtOnce) {
      ++shared_.counts.turned_away;
      close(fd);
      return;
    }
    std::shared_ptr<Connection> connection;
    try {
      connection = std::make_shared<Connection>(&shared_, fd);
    } catch (...) {
      ++shared_.counts.failed;
      close(fd);
      return;
    }
    try {
      connections_.emplace(connection.get(), connection);
    } catch (...) {
      ++shared_.counts.failed;
      return;  // it closes the socket
    }
    connection->Start();
    if (refusal.empty() && count >= options_.max_connections) {
      refusal = absl::StrCat("too many connections (", count, ")");
    }
    if (!refusal.empty()) {
      ++shared_.counts.turned_away;
      connection->Refuse({503, std::move(refusal)});
    }
  }

  void OnClosed(Connection* connection) {
    connections_.erase(connection);
    if (reserve_ < 0 && phase_ != Phase::kDone) reserve_ = OpenReserve();
    EndIfFinished();
  }

  // ---- Ending

  void OnDrainTimer() {
    if (phase_ == Phase::kDelay) {
      Finish();
    } else if (phase_ == Phase::kFinishing) {
      Cut();
    }
  }

  void Finish() {
    phase_ = Phase::kFinishing;
    drain_timer_.Start(options_.drain_timeout);
    // The kernel would reset those that wait to be accepted.
    if (listener_.has_value()) {
      for (int i = 0; i < SOMAXCONN && AcceptOne(); ++i) {
      }
    }
    CloseListener();
    closing_ = true;
    for (const auto& connection : All()) connection->Drain();
    EndIfFinished();
  }

  void EndIfFinished() {
    if (phase_ == Phase::kFinishing && closing_ && connections_.empty()) {
      End(0);
    }
  }

  void Cut() {
    if (phase_ == Phase::kDone) return;
    phase_ = Phase::kDone;
    CloseListener();
    int cut = 0;
    for (const auto& connection : All()) {
      if (connection->busy()) ++cut;
      connection->Close();
    }
    End(cut);
  }

  void End(int cut) {
    phase_ = Phase::kDone;
    drain_timer_.Stop();
    shared_.loop->Defer(
        [done = std::exchange(done_, nullptr), cut] { done(cut); });
  }

  std::vector<std::shared_ptr<Connection>> All() const {
    std::vector<std::shared_ptr<Connection>> all;
    all.reserve(connections_.size());
    for (const auto& [key, connection] : connections_) {
      all.push_back(connection);
    }
    return all;
  }

  void CloseListener() {
    accept_again_.Stop();
    listener_.reset();
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

  Options options_;
  Shared shared_;
  int fd_ = -1;
  int port_ = 0;
  int reserve_ = -1;
  std::optional<base::Watch> listener_;
  base::Timer accept_again_;
  base::Timer drain_timer_;
  Phase phase_ = Phase::kServing;
  bool closing_ = false;  // all that waited has been accepted
  std::function<void(int)> done_;
  absl::flat_hash_map<Connection*, std::shared_ptr<Connection>> connections_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Bind(const Options& options,
                                                     base::Loop* loop,
                                                     base::ByteBudget* budget) {
  auto impl = std::make_unique<Impl>(options, loop, budget);
  if (absl::Status status = impl->Bind(); !status.ok()) return status;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

absl::Status Server::Listen(Handler* handler) { return impl_->Listen(handler); }
void Server::Drain(std::function<void(int cut)> done) {
  impl_->Drain(std::move(done));
}
const Counts& Server::counts() const { return impl_->counts(); }
int Server::connections() const { return impl_->connections(); }
const std::string& Server::host() const { return impl_->host(); }
int Server::port() const { return impl_->port(); }

}  // namespace http
