#include "cc/server/http_server.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace server {
namespace {

// Requests that were on their way when the shutdown began get their answer;
// those of keep-alive clients are told to close.
constexpr std::chrono::milliseconds kDrainGrace{100};
// Beyond max_connections so many more are told why they are turned away.
constexpr int kRefusedAtOnce = 64;

struct Answer {
  uint64_t connection;
  std::optional<HttpResponse> response;  // none: the handler gave none
};

// Brings answers from other threads to the event loop. Outlives the server
// as long as a handler may still answer.
class Mailbox {
 public:
  Mailbox() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Mailbox() { close(fd_); }

  int fd() const { return fd_; }

  void Post(Answer answer) {
    {
      absl::MutexLock lock(&mutex_);
      answers_.push_back(std::move(answer));
    }
    Wake();
  }
  void Wake() {
    const uint64_t one = 1;
    // Fails only when the counter is full: then the loop is awake anyway.
    if (write(fd_, &one, sizeof(one)) < 0) return;
  }
  std::vector<Answer> TakeAll() {
    uint64_t count;
    if (read(fd_, &count, sizeof(count)) < 0) return {};
    absl::MutexLock lock(&mutex_);
    return std::exchange(answers_, {});
  }

 private:
  const int fd_;
  absl::Mutex mutex_;
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
};

// Shared by the copies of one HttpReply.
class ReplyOnce {
 public:
  ReplyOnce(std::shared_ptr<Mailbox> mailbox, uint64_t connection)
      : mailbox_(std::move(mailbox)), connection_(connection) {}
  ~ReplyOnce() {
    if (!done_.exchange(true)) mailbox_->Post({connection_, std::nullopt});
  }
  void Send(HttpResponse response) {
    if (!done_.exchange(true)) {
      mailbox_->Post({connection_, std::move(response)});
    }
  }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  const uint64_t connection_;
  std::atomic<bool> done_{false};
};

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
                        : "give an address of this machine to --host");
}

struct FreeEvent {
  void operator()(event* e) const { event_free(e); }
  void operator()(event_base* base) const { event_base_free(base); }
  void operator()(evconnlistener* l) const { evconnlistener_free(l); }
};

}  // namespace

class HttpServer::Impl : public HttpConnection::Owner {
 public:
  explicit Impl(const Options& options)
      : options_(options), base_(event_base_new()) {}

  ~Impl() override {
    connections_.clear();
    if (fd_ >= 0) close(fd_);
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
        bind(fd_, found->ai_addr, found->ai_addrlen) != 0) {
      return SocketError(options_.host, options_.port, errno);
    }
    sockaddr_storage bound = {};
    socklen_t size = sizeof(bound);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size);
    // The port lies at the same place for IPv4 and IPv6.
    port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
    return absl::OkStatus();
  }

  absl::Status Listen() {
    if (listen(fd_, SOMAXCONN) != 0) {
      return SocketError(options_.host, port_, errno);
    }
    const auto on_signal = [](evutil_socket_t, short, void* self) {
      static_cast<Impl*>(self)->OnSignal();
    };
    for (const int signal : {SIGTERM, SIGINT}) {
      events_.emplace_back(evsignal_new(base_.get(), signal, on_signal, this));
      event_add(events_.back().get(), nullptr);
    }
    return absl::OkStatus();
  }

  int Run(HttpHandler* handler) {
    handler_ = handler;
    listener_.reset(evconnlistener_new(
        base_.get(),
        [](evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* self) {
          static_cast<Impl*>(self)->OnAccept(fd);
        },
        this, LEV_OPT_CLOSE_ON_EXEC, 0, fd_));
    evconnlistener_set_error_cb(
        listener_.get(), [](evconnlistener* l, void* p) {
          // Out of file descriptors: wait for some to be given back.
          evconnlistener_disable(l);
          static_cast<Impl*>(p)->After(kDrainGrace, [](evutil_socket_t, short,
                                                       void* self) {
            evconnlistener_enable(static_cast<Impl*>(self)->listener_.get());
          });
        });
    events_.emplace_back(event_new(
        base_.get(), mailbox_->fd(), EV_READ | EV_PERSIST,
        [](evutil_socket_t, short, void* self) {
          static_cast<Impl*>(self)->OnMail();
        },
        this));
    event_add(events_.back().get(), nullptr);
    event_base_dispatch(base_.get());
    int abandoned = 0;
    for (const auto& [id, connection] : connections_) {
      abandoned += connection->busy() ? 1 : 0;
    }
    listener_.reset();
    connections_.clear();
    count_ = 0;
    events_.clear();
    close(std::exchange(fd_, -1));
    // libevent closes the freed connections' sockets in a turn of its loop.
    event_base_loop(base_.get(), EVLOOP_NONBLOCK);
    return abandoned;
  }

  void Shutdown() {
    shutdown_ = true;
    mailbox_->Wake();
  }

  int connections() const { return count_; }
  const std::string& host() const { return options_.host; }
  int port() const { return port_; }

  // HttpConnection::Owner
  void OnRequest(uint64_t connection, HttpRequest request) override {
    auto once = std::make_shared<ReplyOnce>(mailbox_, connection);
    handler_->Handle(std::move(request), [once](HttpResponse response) {
      once->Send(std::move(response));
    });
  }
  HttpResponse Refuse(const HttpError& error) override {
    return handler_->Refuse(error);
  }
  void OnAnswered(uint64_t) override { StopIfDrained(); }
  void OnClose(uint64_t connection) override {
    connections_.erase(connection);
    count_ = static_cast<int>(connections_.size());
    StopIfDrained();
  }
  bool draining() const override { return draining_; }

 private:
  void OnAccept(int fd) {
    const int count = static_cast<int>(connections_.size());
    if (count >= options_.max_connections + kRefusedAtOnce) {
      close(fd);
      return;
    }
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    const uint64_t id = ++last_id_;
    auto& connection = connections_[id] = std::make_unique<HttpConnection>(
        base_.get(), fd, id, options_.limits, options_.timeouts, this);
    count_ = count + 1;
    if (count >= options_.max_connections) {
      connection->Refuse(
          {503, absl::StrCat("too many connections (", count, ")")});
    }
  }

  void OnMail() {
    for (Answer& answer : mailbox_->TakeAll()) {
      const auto found = connections_.find(answer.connection);
      if (found == connections_.end()) continue;  // the client has gone
      found->second->Respond(
          answer.response.has_value()
              ? *answer.response
              : handler_->Refuse({500, "the request was dropped"}));
    }
    if (shutdown_ && !draining_) Drain();
  }

  void OnSignal() {
    if (draining_) {
      event_base_loopbreak(base_.get());
    } else {
      Drain();
    }
  }

  void Drain() {
    draining_ = true;
    handler_->OnDrain();
    After(kDrainGrace, [](evutil_socket_t, short, void* self) {
      static_cast<Impl*>(self)->grace_over_ = true;
      static_cast<Impl*>(self)->StopIfDrained();
    });
    After(options_.drain_timeout, [](evutil_socket_t, short, void* self) {
      event_base_loopbreak(static_cast<Impl*>(self)->base_.get());
    });
  }

  void StopIfDrained() {
    if (!grace_over_) return;
    for (const auto& [id, connection] : connections_) {
      if (connection->busy()) return;
    }
    event_base_loopbreak(base_.get());
  }

  void After(std::chrono::milliseconds time, event_callback_fn callback) {
    const timeval tv = {static_cast<time_t>(time.count() / 1000),
                        static_cast<suseconds_t>(time.count() % 1000 * 1000)};
    event_base_once(base_.get(), -1, EV_TIMEOUT, callback, this, &tv);
  }

  Options options_;
  const std::unique_ptr<event_base, FreeEvent> base_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  HttpHandler* handler_ = nullptr;
  int fd_ = -1;
  int port_ = 0;
  std::unique_ptr<evconnlistener, FreeEvent> listener_;
  std::vector<std::unique_ptr<event, FreeEvent>> events_;
  std::map<uint64_t, std::unique_ptr<HttpConnection>> connections_;
  std::atomic<int> count_{0};
  uint64_t last_id_ = 0;
  std::atomic<bool> shutdown_{false};
  bool draining_ = false;
  bool grace_over_ = false;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Bind(
    const Options& options) {
  auto impl = std::make_unique<Impl>(options);
  if (absl::Status status = impl->Bind(); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

absl::Status HttpServer::Listen() { return impl_->Listen(); }
int HttpServer::Run(HttpHandler* handler) { return impl_->Run(handler); }
void HttpServer::Shutdown() { impl_->Shutdown(); }
int HttpServer::connections() const { return impl_->connections(); }
const std::string& HttpServer::host() const { return impl_->host(); }
int HttpServer::port() const { return impl_->port(); }

}  // namespace server
