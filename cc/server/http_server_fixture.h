// A running HttpServer, its handler and a client, for tests.
#ifndef CC_SERVER_HTTP_SERVER_FIXTURE_H_
#define CC_SERVER_HTTP_SERVER_FIXTURE_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/server/http_server.h"
#include "gtest/gtest.h"

namespace server {

// More than any kernel takes from a server whose client does not read.
inline constexpr size_t kLarge = 64 << 20;

// /echo answers the body at once, /thread from another thread, /keep when the
// test says so, /large with kLarge bytes, and /drop never.
class EchoHandler : public HttpHandler {
 public:
  ~EchoHandler() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void Handle(HttpRequest request, HttpReply reply) override {
    HttpResponse response;
    response.content_type = "text/plain";
    response.body = request.body;
    if (request.target == "/echo") {
      reply(std::move(response));
    } else if (request.target == "/thread") {
      threads_.emplace_back([reply, response] { reply(response); });
    } else if (request.target == "/large") {
      response.body.assign(kLarge, 'x');
      reply(std::move(response));
    } else if (request.target == "/keep") {
      absl::MutexLock lock(&mutex_);
      kept_.push_back(std::move(reply));
    }
  }
  HttpResponse Refuse(const HttpError& error) override {
    HttpResponse response;
    response.status = error.status;
    response.body = error.message;
    return response;
  }
  void OnDrain() override {
    absl::MutexLock lock(&mutex_);
    drained_ = true;
  }

  void AwaitKept(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return kept_.size() >= count;
    };
    mutex_.Await(absl::Condition(&enough));
  }
  void AwaitDrained() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&drained_));
  }
  void AnswerKept(const std::string& body) {
    absl::MutexLock lock(&mutex_);
    for (const HttpReply& reply : kept_) {
      HttpResponse response;
      response.body = body;
      reply(std::move(response));
    }
    kept_.clear();
  }

 private:
  absl::Mutex mutex_;
  std::vector<HttpReply> kept_ ABSL_GUARDED_BY(mutex_);
  bool drained_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

class Client {
 public:
  explicit Client(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval timeout = {20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address),
                         sizeof(address)) == 0;
  }
  ~Client() { close(fd_); }

  bool connected() const { return connected_; }
  // Whether the server took it.
  bool Send(absl::string_view text) {
    return send(fd_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  void FinishSending() { shutdown(fd_, SHUT_WR); }
  // Reads until what has come ends with `end`, or the server closes.
  std::string ReadUntil(absl::string_view end) {
    std::string text;
    char c;
    while (!(text.size() >= end.size() &&
             text.compare(text.size() - end.size(), end.size(), end.data(),
                          end.size()) == 0) &&
           recv(fd_, &c, 1, 0) == 1) {
      text.push_back(c);
    }
    return text;
  }
  // Reads no more than `size` bytes.
  std::string ReadSome(size_t size) {
    std::string text(size, '\0');
    const ssize_t n = recv(fd_, text.data(), size, 0);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }
  std::string ReadAll() {
    std::string text;
    char buffer[4096];
    ssize_t n;
    while ((n = recv(fd_, buffer, sizeof(buffer), 0)) > 0) {
      text.append(buffer, static_cast<size_t>(n));
    }
    closed_ = n == 0;
    return text;
  }
  // Whether ReadAll ended because the server closed, and not by a time limit.
  bool closed() const { return closed_; }

 private:
  const int fd_;
  bool connected_ = false;
  bool closed_ = false;
};

inline std::string Request(absl::string_view target, absl::string_view body,
                           absl::string_view headers = "") {
  return absl::StrCat("POST ", target, " HTTP/1.1\r\nHost: h\r\n", headers,
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    options_.port = 0;
    options_.limits = {1024, 10'000};
    options_.drain_timeout = std::chrono::milliseconds(10'000);
  }
  void Start() {
    server_ = *HttpServer::Bind(options_);
    ASSERT_TRUE(server_->Listen().ok());
    thread_ = std::thread([this] { abandoned_ = server_->Run(&handler_); });
  }
  int Stop() {
    if (thread_.joinable()) {
      server_->Shutdown();
      thread_.join();
    }
    return abandoned_;
  }
  ~HttpServerTest() override {
    if (thread_.joinable()) Stop();
  }
  int port() const { return server_->port(); }

  HttpServer::Options options_;
  EchoHandler handler_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  int abandoned_ = -1;
};

}  // namespace server

#endif  // CC_SERVER_HTTP_SERVER_FIXTURE_H_
