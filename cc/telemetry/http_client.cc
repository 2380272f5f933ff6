#include "cc/telemetry/http_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cc/base/text.h"

namespace telemetry {
namespace {

using base::Clock;

constexpr size_t kMaxHead = 16 << 10;
constexpr size_t kMaxBody = 64 << 10;

absl::Status Late() {
  return absl::DeadlineExceededError("there was no answer in time");
}

// One connection. Every step ends at the deadline.
class Exchange {
 public:
  explicit Exchange(Clock::time_point deadline) : deadline_(deadline) {}
  ~Exchange() {
    if (fd_ >= 0) close(fd_);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  absl::Status Connect(const addrinfo& address) {
    fd_ = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                 0);
    if (fd_ < 0) return Failed(errno);
    if (connect(fd_, address.ai_addr, address.ai_addrlen) == 0) {
      return absl::OkStatus();
    }
    if (errno != EINPROGRESS) return Failed(errno);
    if (absl::Status status = Await(POLLOUT); !status.ok()) return status;
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 ? absl::OkStatus() : Failed(error);
  }

  absl::Status Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n >= 0) {
        bytes.remove_prefix(static_cast<size_t>(n));
      } else if (errno == EAGAIN) {
        if (absl::Status status = Await(POLLOUT); !status.ok()) return status;
      } else if (errno != EINTR) {
        return Failed(errno);
      }
    }
    return absl::OkStatus();
  }

  // Appends what there is; false at the end.
  absl::StatusOr<bool> Receive(std::string* out) {
    char buffer[4096];
    while (true) {
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
      if (n >= 0) {
        out->append(buffer, static_cast<size_t>(n));
        return n > 0;
      }
      if (errno == EAGAIN) {
        if (absl::Status status = Await(POLLIN); !status.ok()) return status;
      } else if (errno != EINTR) {
        return Failed(errno);
      }
    }
  }

 private:
  static absl::Status Failed(int error) {
    return absl::UnavailableError(strerror(error));
  }

  absl::Status Await(short event) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          deadline_ - Clock::now());
      if (left.count() <= 0) return Late();
      pollfd wait = {fd_, event, 0};
      const int ready = poll(
          &wait, 1, static_cast<int>(std::min<int64_t>(left.count(), 1 << 30)));
      if (ready > 0) return absl::OkStatus();
      if (ready < 0 && errno != EINTR) return Failed(errno);
    }
  }

  const Clock::time_point deadline_;
  int fd_ = -1;
};

// What is known of an answer once its head is there.
struct Head {
  HttpAnswer answer;
  size_t length = kMaxBody;  // of the body, or as much as is read of it
};

absl::StatusOr<Head> ParseHead(absl::string_view text) {
  Head head;
  absl::string_view line = text.substr(0, text.find("\r\n"));
  head.answer.status_line = std::string(line);
  if (!absl::StartsWith(line, "HTTP/1.") || line.size() < 12 ||
      !absl::SimpleAtoi(line.substr(9, 3), &head.answer.status)) {
    return absl::InternalError(
        absl::StrCat("the answer is not HTTP/1.1: ", base::Quote(line)));
  }
  while (text.size() > line.size() + 2) {
    text.remove_prefix(line.size() + 2);
    line = text.substr(0, text.find("\r\n"));
    const size_t colon = std::min(line.find(':'), line.size());
    const absl::string_view name = line.substr(0, colon);
    const absl::string_view value = absl::StripAsciiWhitespace(
        line.substr(std::min(colon + 1, line.size())));
    uint64_t length = 0;
    if (absl::EqualsIgnoreCase(name, "Content-Length") &&
        absl::SimpleAtoi(value, &length)) {
      head.length = std::min<uint64_t>(length, kMaxBody);
    } else if (absl::EqualsIgnoreCase(name, "Retry-After")) {
      head.answer.retry_after = std::string(value);
    }
  }
  return head;
}

absl::StatusOr<HttpAnswer> AskAddress(const addrinfo& address,
                                      absl::string_view head,
                                      absl::string_view body,
                                      Clock::time_point deadline) {
  Exchange exchange(deadline);
  absl::Status status = exchange.Connect(address);
  if (status.ok()) status = exchange.Send(head);
  // Who refuses a request may do so before it has all of it.
  const absl::Status sent = status.ok() ? exchange.Send(body) : status;
  if (!status.ok()) return status;
  std::string text;
  size_t end;
  while ((end = text.find("\r\n\r\n")) == text.npos) {
    if (text.size() > kMaxHead) {
      return absl::InternalError("the head of the answer is too long");
    }
    const auto more = exchange.Receive(&text);
    if (!more.ok()) return sent.ok() ? more.status() : sent;
    if (!*more) {
      return absl::UnavailableError("the connection ended without an answer");
    }
  }
  auto parsed = ParseHead(absl::string_view(text).substr(0, end + 2));
  if (!parsed.ok()) return parsed.status();
  text.erase(0, end + 4);
  while (text.size() < parsed->length) {
    // The status counts, whatever becomes of the body.
    const auto more = exchange.Receive(&text);
    if (!more.ok() || !*more) break;
  }
  parsed->answer.body = std::move(text);
  return std::move(parsed->answer);
}

}  // namespace

absl::StatusOr<Url> ParseUrl(absl::string_view text) {
  const auto wrong = [text](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(base::Quote(text), " ", why,
                                                   "; it should be like ",
                                                   "http://127.0.0.1:4318"));
  };
  absl::string_view rest = text;
  if (absl::StartsWithIgnoreCase(rest, "https://")) {
    return wrong(
        "asks for TLS, which this program does not speak: send to a "
        "collector on the same machine or pod");
  }
  if (!absl::StartsWithIgnoreCase(rest, "http://")) {
    return wrong("does not begin with http://");
  }
  rest.remove_prefix(7);
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  if (!std::all_of(rest.begin(), rest.end(), visible)) {
    return wrong("holds what no URL may");
  }
  Url url;
  const size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  absl::string_view authority = rest.substr(0, slash);
  if (slash < rest.size()) {
    url.path = absl::StrCat(rest[slash] == '?' ? "/" : "", rest.substr(slash));
  }
  if (authority.find('@') != authority.npos) {
    return wrong("has a user, which is not sent");
  }
  absl::string_view port;
  if (absl::ConsumePrefix(&authority, "[")) {
    const size_t bracket = authority.find(']');
    if (bracket == authority.npos) return wrong("has no ] behind its address");
    url.host = std::string(authority.substr(0, bracket));
    port = authority.substr(bracket + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    url.host = std::string(authority.substr(0, colon));
    port = authority.substr(colon);
  }
  if (url.host.empty()) return wrong("names no host");
  uint32_t number = url.port;
  if (!port.empty() &&
      (!absl::ConsumePrefix(&port, ":") || !absl::SimpleAtoi(port, &number) ||
       number == 0 || number > 65535)) {
    return wrong("has a port that is none");
  }
  url.port = static_cast<uint16_t>(number);
  return url;
}

absl::StatusOr<HttpAnswer> Ask(const Url& url, absl::string_view json,
                               Clock::time_point deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(url.host.empty() ? nullptr : url.host.c_str(),
                                absl::StrCat(url.port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found,
                                                                 freeaddrinfo);
  const bool ipv6 = url.host.find(':') != std::string::npos;
  std::string head =
      absl::StrCat(json.empty() ? "GET " : "POST ", url.path,
                   " HTTP/1.1\r\nHost: ", ipv6 ? "[" : "",
                   url.host.empty() ? "localhost" : url.host, ipv6 ? "]" : "",
                   ":", url.port, "\r\nConnection: close\r\n");
  if (!json.empty()) {
    absl::StrAppend(&head, "Content-Type: application/json\r\nContent-Length: ",
                    json.size(), "\r\n");
  }
  head.append("\r\n");
  absl::StatusOr<HttpAnswer> answer = absl::UnavailableError("no address");
  // The first one that answers.
  for (; found != nullptr && !answer.ok(); found = found->ai_next) {
    answer = AskAddress(*found, head, json, deadline);
    if (absl::IsDeadlineExceeded(answer.status())) break;
  }
  return answer;
}

}  // namespace telemetry
