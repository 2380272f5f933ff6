#include "cc/frontend/http/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace http {
namespace {

// Beyond max_connections so many more are told why they are turned away.
constexpr int kTurnedAwayAtOnce = 64;
// What is accepted in one turn of the loop.
constexpr int kAcceptsAtOnce = 64;
// Until descriptors or memory may have been given back.
constexpr std::chrono::milliseconds kAcceptPause{100};

// Free to be given back when descriptors run out, so that one client more can
// be accepted and told.
int OpenReserve() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

Acceptor::Acceptor(const Options& options, base::Loop* loop, Counts* counts,
                   Make make)
    : options_(options),
      loop_(loop),
      counts_(counts),
      make_(std::move(make)),
      accept_again_(loop, [this] { ResumeAccept(); }),
      drain_timer_(loop, [this] { OnDrainTimer(); }) {}

Acceptor::~Acceptor() {
  for (const auto& [key, connection] : connections_) connection->Abandon();
  CloseListener();
  if (reserve_ >= 0) close(reserve_);
}

absl::Status Acceptor::AddressError(absl::string_view why,
                                    absl::string_view cure) const {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.host,
                                             " port ", options_.port, ": ", why,
                                             "; ", cure));
}

absl::Status Acceptor::SocketError(int error) const {
  return AddressError(
      strerror(error),
      error == EADDRINUSE
          ? absl::StrCat("stop the program that has it, or choose another ",
                         options_.flag)
      : error == EACCES ? absl::StrCat("choose a ", options_.flag, " from 1024")
      : error == EMFILE || error == ENFILE
          ? "raise the limit of open files (ulimit -n)"
          : "give an address of this machine to --host");
}

absl::Status Acceptor::Bind() {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(options_.host.c_str(), absl::StrCat(options_.port).c_str(),
                  &hints, &found);
  if (error != 0) {
    return AddressError(gai_strerror(error),
                        "give an address of this machine to --host");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> address(found,
                                                               freeaddrinfo);
  fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
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
    return SocketError(errno);
  }
  sockaddr_storage bound = {};
  socklen_t size = sizeof(bound);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return SocketError(errno);
  }
  // The port lies at the same place for IPv4 and IPv6.
  port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return absl::OkStatus();
}

absl::Status Acceptor::Listen() {
  reserve_ = OpenReserve();
  if (listen(fd_, SOMAXCONN) != 0) {
    return SocketError(errno);
  }
  listener_.emplace(loop_, fd_, [this](bool, bool) { OnAccept(); });
  if (!listener_->Want(true, false)) {
    return SocketError(errno);
  }
  return absl::OkStatus();
}

void Acceptor::Drain(std::function<void(int)> done) {
  if (phase_ != Phase::kServing) return Cut();
  done_ = std::move(done);
  phase_ = Phase::kDelay;
  for (const auto& connection : All()) connection->AnnounceEnd();
  if (options_.drain_delay.count() > 0) {
    drain_timer_.Start(options_.drain_delay);
  } else {
    Finish();
  }
}

// ---- Accepting

void Acceptor::OnAccept() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    if (!AcceptOne()) return;
  }
}

// Whether there may be more.
bool Acceptor::AcceptOne() {
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
      ++counts_->accept_errors;
      return AcceptWithReserve() || PauseAccept();
    case EINTR:
    case ECONNABORTED:  // reset while it waited
      return true;
    default:
      // Of the network of that connection, says accept(2); in any case, this
      // does not spin.
      ++counts_->accept_errors;
      return PauseAccept();
  }
}

bool Acceptor::AcceptWithReserve() {
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

bool Acceptor::PauseAccept() {
  listener_->Want(false, false);
  accept_again_.Start(kAcceptPause);
  return false;
}

void Acceptor::ResumeAccept() {
  if (!listener_.has_value()) return;
  if (!listener_->Want(true, false)) accept_again_.Start(kAcceptPause);
}

// A `refusal`: why it is not served.
void Acceptor::Add(int fd, std::string refusal) {
  ++counts_->accepted;
  const int count = connections();
  if (count >= options_.max_connections + kTurnedAwayAtOnce) {
    ++counts_->turned_away;
    close(fd);
    return;
  }
  std::shared_ptr<Accepted> connection;
  try {
    connection = make_(fd);
  } catch (...) {
    ++counts_->failed;
    close(fd);
    return;
  }
  try {
    connections_.emplace(connection.get(), connection);
  } catch (...) {
    ++counts_->failed;
    return;  // it closes the socket
  }
  connection->Start();
  if (refusal.empty() && count >= options_.max_connections) {
    refusal = absl::StrCat("too many connections (", count, ")");
  }
  if (!refusal.empty()) {
    ++counts_->turned_away;
    connection->TurnAway(std::move(refusal));
  }
}

void Acceptor::OnClosed(Accepted* connection) {
  connections_.erase(connection);
  if (reserve_ < 0 && phase_ != Phase::kDone) reserve_ = OpenReserve();
  EndIfFinished();
}

// ---- Ending

void Acceptor::OnDrainTimer() {
  if (phase_ == Phase::kDelay) {
    Finish();
  } else if (phase_ == Phase::kFinishing) {
    Cut();
  }
}

void Acceptor::Finish() {
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

void Acceptor::EndIfFinished() {
  if (phase_ == Phase::kFinishing && closing_ && connections_.empty()) {
    End(0);
  }
}

void Acceptor::Cut() {
  if (phase_ == Phase::kDone) return;
  phase_ = Phase::kDone;
  CloseListener();
  int cut = 0;
  for (const auto& connection : All()) {
    if (connection->owed() > 0) ++cut;
    connection->Close();
  }
  End(cut);
}

int Acceptor::owed() const {
  int owed = 0;
  for (const auto& [connection, _] : connections_) owed += connection->owed();
  return owed;
}

void Acceptor::End(int cut) {
  phase_ = Phase::kDone;
  drain_timer_.Stop();
  loop_->Defer([done = std::exchange(done_, nullptr), cut] { done(cut); });
}

std::vector<std::shared_ptr<Accepted>> Acceptor::All() const {
  std::vector<std::shared_ptr<Accepted>> all;
  all.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) {
    all.push_back(connection);
  }
  return all;
}

void Acceptor::CloseListener() {
  accept_again_.Stop();
  listener_.reset();
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

}  // namespace http
