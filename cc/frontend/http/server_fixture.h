// A running Server, its handler and a client, for tests.
#ifndef CC_FRONTEND_HTTP_SERVER_FIXTURE_H_
#define CC_FRONTEND_HTTP_SERVER_FIXTURE_H_

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/frontend/http/server.h"
#include "gtest/gtest.h"

namespace http {

// More than any kernel takes from a server whose client does not read.
inline constexpr size_t kLarge = 64 << 20;

// /echo answers the body at once, /later in a later round of the loop, /keep
// when the test says so, /watch likewise while it waits for the client to go,
// /large with kLarge bytes, /drop never, and /throw throws. What begins with
// /refuse is refused by its head.
class EchoHandler : public Handler {
 public:
  explicit EchoHandler(base::Loop* loop) : loop_(loop) {}

  std::vector<std::string> SingleHeaders() const override {
    return {"Only-Once"};
  }
  std::optional<Response> CheckHead(const Request& head,
                                    uint64_t declared) override {
    if (!absl::StartsWith(head.target, "/refuse")) return std::nullopt;
    Response response;
    response.status = 404;
    response.body = absl::Cord(absl::StrCat("refused ", declared));
    return response;
  }
  void Handle(Request request, std::shared_ptr<Reply> reply) override {
    Response response;
    response.content_type = "text/plain";
    response.body = std::move(request.body);
    if (request.target == "/echo") {
      reply->Send(std::move(response));
    } else if (request.target == "/later") {
      loop_->Post([reply, response] { reply->Send(response); });
    } else if (request.target == "/large") {
      response.body = absl::Cord(std::string(kLarge, 'x'));
      reply->Send(std::move(response));
    } else if (request.target == "/throw") {
      throw std::bad_alloc();
    } else if (request.target == "/keep" || request.target == "/watch") {
      if (request.target == "/watch") {
        reply->OnGone([this] {
          absl::MutexLock lock(&mutex_);
          ++gone_;
        });
      }
      absl::MutexLock lock(&mutex_);
      kept_.push_back(std::move(reply));
    }
  }
  Response Refuse(const Error& error) override {
    Response response;
    response.status = error.status;
    response.body = absl::Cord(error.message);
    return response;
  }

  void AwaitKept(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return kept_.size() >= count;
    };
    mutex_.Await(absl::Condition(&enough));
  }
  void AwaitGone(int count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return gone_ >= count;
    };
    mutex_.Await(absl::Condition(&enough));
  }
  // On the loop's thread, as is all that has to do with replies.
  std::vector<std::shared_ptr<Reply>> TakeKept() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(kept_, {});
  }

 private:
  base::Loop* const loop_;
  absl::Mutex mutex_;
  std::vector<std::shared_ptr<Reply>> kept_ ABSL_GUARDED_BY(mutex_);
  int gone_ ABSL_GUARDED_BY(mutex_) = 0;
};

class Client {
 public:
  // Not connected yet.
  Client() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval timeout = {20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  }
  explicit Client(int port) : Client() { Connect(port); }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Connect(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address),
                         sizeof(address)) == 0;
  }
  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  // Whether the server took it.
  bool Send(absl::string_view text) {
    while (!text.empty()) {
      const ssize_t n = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void FinishSending() { shutdown(fd_, SHUT_WR); }
  // So that its close is an RST.
  void CloseHard() {
    const linger hard = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }

  // Reads until what has come ends with `end`, or the server closes.
  std::string ReadUntil(absl::string_view end) {
    std::string text;
    while (!absl::EndsWith(text, end)) {
      const std::string some = ReadSome(1);
      if (some.empty()) break;
      text += some;
    }
    return text;
  }
  // Reads an answer that has a body, and returns its body.
  std::string ReadAnswer() {
    const std::string head = ReadUntil("\r\n\r\n");
    constexpr absl::string_view kLength = "Content-Length: ";
    const size_t at = head.find(kLength.data());
    if (at == head.npos) return head;
    const size_t size = std::stoul(head.substr(at + kLength.size()));
    std::string body;
    while (body.size() < size) {
      const std::string some = ReadSome(size - body.size());
      if (some.empty()) break;
      body += some;
    }
    return body;
  }
  // Reads no more than `size` bytes.
  std::string ReadSome(size_t size) {
    std::string text(size, '\0');
    const ssize_t n = recv(fd_, text.data(), size, 0);
    error_ = n < 0 ? errno : 0;
    closed_ = n == 0;
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }
  std::string ReadAll() {
    std::string text;
    for (;;) {
      const std::string some = ReadSome(64 << 10);
      if (some.empty()) return text;
      text += some;
    }
  }
  // Reads what is left and closes; whether there was nothing left but the end,
  // in good order.
  bool SeesTheEnd() {
    const bool nothing = ReadAll().empty() && closed_;
    FinishSending();
    return nothing;
  }
  // Whether the last read ended because the server closed in good order, and
  // not by a reset or a time limit.
  bool closed() const { return closed_; }
  int error() const { return error_; }

 private:
  const int fd_;
  bool connected_ = false;
  bool closed_ = false;
  int error_ = 0;
};

inline std::string PostOf(absl::string_view target, absl::string_view body,
                          absl::string_view headers = "") {
  return absl::StrCat("POST ", target, " HTTP/1.1\r\nHost: h\r\n", headers,
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options_.port = 0;
    options_.limits.head_bytes = 1024;
    options_.limits.body_bytes = 10'000;
    options_.drain_timeout = std::chrono::milliseconds(10'000);
    // Longer than any client here takes to close.
    options_.timeouts.linger = std::chrono::milliseconds(20'000);
  }
  ~ServerTest() override {
    if (thread_.joinable()) {
      loop_.Stop();
      thread_.join();
    }
    server_.reset();
    handler_.TakeKept();
    EXPECT_EQ(budget_->held(), 0u);
  }

  void Start() {
    if (budget_ == nullptr) {
      budget_ = std::make_unique<base::ByteBudget>(256 << 20);
    }
    auto server = Server::Bind(options_, &loop_, budget_.get());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    ASSERT_TRUE(server_->Listen(&handler_).ok());
    thread_ = std::thread([this] { loop_.Run(); });
  }
  int port() const { return server_->port(); }

  // Calls f on the loop's thread, and waits for it.
  void OnLoop(const std::function<void()>& f) {
    absl::Notification done;
    loop_.Post([&] {
      f();
      done.Notify();
    });
    done.WaitForNotification();
  }
  void AnswerKept(const std::string& body) {
    OnLoop([&] {
      for (const auto& reply : handler_.TakeKept()) {
        Response response;
        response.body = absl::Cord(body);
        reply->Send(std::move(response));
      }
    });
  }
  int Connections() {
    int count = 0;
    OnLoop([&] { count = server_->connections(); });
    return count;
  }
  Counts CountsNow() {
    Counts counts;
    OnLoop([&] { counts = server_->counts(); });
    return counts;
  }
  void AwaitConnections(int count) {
    while (Connections() != count) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void BeginDrain() {
    OnLoop(
        [&] { server_->Drain([this](int cut) { drained_.set_value(cut); }); });
  }
  // The number of requests that were cut.
  int AwaitDrained() { return drained_.get_future().get(); }

  Server::Options options_;
  std::unique_ptr<base::ByteBudget> budget_;
  base::Loop loop_;
  EchoHandler handler_{&loop_};
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::promise<int> drained_;
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_SERVER_FIXTURE_H_
