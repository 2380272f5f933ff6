#include "cc/telemetry/http_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Listens on loopback; takes one connection, reads a request and says what it
// is told to.
class Listener {
 public:
  explicit Listener(std::string answer) : answer_(std::move(answer)) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = {"127.0.0.1", ntohs(address.sin_port), "/v1/traces?x=1"};
    thread_ = std::thread([this] { Serve(); });
  }
  ~Listener() {
    shutdown(fd_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(fd_);
  }

  const Url& url() const { return url_; }
  std::string request() {
    thread_.join();
    return request_;
  }

 private:
  void Serve() {
    const int fd = accept(fd_, nullptr, nullptr);
    if (fd < 0) return;
    char buffer[4096];
    while (request_.find("\r\n\r\n") == std::string::npos ||
           (request_.rfind("POST", 0) == 0 && request_.back() != '}')) {
      const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
      if (n <= 0) break;
      request_.append(buffer, static_cast<size_t>(n));
    }
    // A byte at a time, as a network may cut it.
    for (const char c : answer_) send(fd, &c, 1, MSG_NOSIGNAL);
    if (answer_.find("hang") != std::string::npos) {
      recv(fd, buffer, sizeof(buffer), 0);  // until the client goes
    }
    close(fd);
  }

  const std::string answer_;
  int fd_;
  Url url_;
  std::string request_;
  std::thread thread_;
};

base::Clock::time_point Soon(int ms = 60'000) {
  return base::Clock::now() + std::chrono::milliseconds(ms);
}

TEST(Ask, SendsJsonAndReadsTheAnswer) {
  Listener listener(
      "HTTP/1.1 503 Service Unavailable\r\nretry-after:  7 \r\n"
      "Content-Length: 2\r\n\r\n{}");
  const auto answer = Ask(listener.url(), R"({"a":1})", Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->status_line, "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(answer->retry_after, "7");
  EXPECT_EQ(answer->body, "{}");
  const std::string request = listener.request();
  EXPECT_THAT(request,
              StartsWith("POST /v1/traces?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
  EXPECT_THAT(request, HasSubstr("\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 7\r\n\r\n{\"a\":1}"));
}

TEST(Ask, GetsWhereThereIsNothingToSend) {
  Listener listener("HTTP/1.0 200 OK\r\n\r\nwhole");
  const auto answer = Ask(listener.url(), "", Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "whole");
  EXPECT_THAT(listener.request(),
              StartsWith("GET /v1/traces?x=1 HTTP/1.1\r\n"));
}

TEST(Ask, DoesNotWaitForAConnectionToCloseOrReadWithoutBound) {
  Listener kept("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhang");
  const auto answer = Ask(kept.url(), "{}", Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->body, "hang");
  Listener long_body("HTTP/1.1 200 OK\r\n\r\n" + std::string(200'000, 'x'));
  EXPECT_LT(Ask(long_body.url(), "{}", Soon())->body.size(), 100'000u);
}

TEST(Ask, SaysWhatWentWrong) {
  const auto code = [](std::string answer, int ms = 60'000) {
    Listener listener(std::move(answer));
    return Ask(listener.url(), "{}", Soon(ms)).status().code();
  };
  EXPECT_EQ(code(""), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code("HTTP/1.1 200"), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code("220 smtp\r\n\r\n"), absl::StatusCode::kInternal);
  EXPECT_EQ(code("HTTP/1.1 abc\r\n\r\n"), absl::StatusCode::kInternal);
  EXPECT_EQ(code(std::string(20'000, 'x')), absl::StatusCode::kInternal);
  EXPECT_EQ(code("HTTP/1.1 hang", 50), absl::StatusCode::kDeadlineExceeded);
  Url nobody;
  {
    Listener gone("");
    nobody = gone.url();
  }
  EXPECT_EQ(Ask(nobody, "{}", Soon()).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(Ask, NeedsNoBodyOnceTheStatusIsThere) {
  Listener listener("HTTP/1.1 429 Slow Down\r\nContent-Length: 9\r\n\r\nhang");
  const auto answer = Ask(listener.url(), "{}", Soon(50));
  // On a machine that is too busy for 50 ms there is no status either.
  if (answer.ok()) {
    EXPECT_EQ(answer->status, 429);
  }
}

TEST(ParseUrl, ReadsWhatItIsGiven) {
  const auto plain = ParseUrl("http://collector:4318");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->host, "collector");
  EXPECT_EQ(plain->port, 4318);
  EXPECT_EQ(plain->path, "/");
  const auto ipv6 = ParseUrl("HTTP://[::1]:9/otlp/");
  ASSERT_TRUE(ipv6.ok());
  EXPECT_EQ(ipv6->host, "::1");
  EXPECT_EQ(ipv6->port, 9);
  EXPECT_EQ(ipv6->path, "/otlp/");
  EXPECT_EQ(ParseUrl("http://h")->port, 80);
  EXPECT_EQ(ParseUrl("http://h?q=1")->path, "/?q=1");
}

TEST(ParseUrl, SaysWhatIsWrong) {
  const auto why = [](absl::string_view text) {
    return std::string(ParseUrl(text).status().message());
  };
  EXPECT_THAT(why("https://h:4318"), HasSubstr("does not speak"));
  EXPECT_THAT(why("collector:4318"), HasSubstr("begin with http://"));
  EXPECT_THAT(why("http://"), HasSubstr("names no host"));
  EXPECT_THAT(why("http://:4318"), HasSubstr("names no host"));
  EXPECT_THAT(why("http://u:p@h"), HasSubstr("has a user"));
  EXPECT_THAT(why("http://[::1"), HasSubstr("no ]"));
  EXPECT_THAT(why("http://h\r\nX: 1"), HasSubstr("no URL may"));
  for (const char* port : {"0", "65536", "x", "", "-1"}) {
    EXPECT_THAT(why(std::string("http://h:") + port), HasSubstr("port"));
  }
}

}  // namespace
}  // namespace telemetry
