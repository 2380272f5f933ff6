// Loads a server with prepared requests and looks at every answer.
//
//   load --port=P --connections=16 --seconds=5
//        --case=WEIGHT:STATUS:REQUEST[:ANSWER] ... [--rate=1700]
//
// REQUEST is a file with the whole HTTP request; ANSWER one with the body that
// must come. Without --rate each connection asks as soon as it is answered.
// With --rate requests arrive as a Poisson process whatever the server does (an
// open loop), and a latency counts from when a request was due: what waits for
// a connection waits. Prints one line of JSON.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Options {
  int port = 0;
  int connections = 16;
  double seconds = 5;
  double rate = 0;
  double patience = 10;  // seconds that answers may come late, at the end
  double tolerance = 0;
  unsigned seed = 1;
  std::vector<std::string> cases;
};

struct Case {
  double weight = 1;
  int status = 200;
  std::string file, request, answer;
  bool has_answer = false;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "load: cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

Case ParseCase(const std::string& text) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  if (parts.size() < 3 || parts.size() > 4) {
    std::fprintf(stderr, "load: %s is not WEIGHT:STATUS:REQUEST[:ANSWER]\n",
                 text.c_str());
    std::exit(2);
  }
  Case result;
  result.weight = std::strtod(parts[0].c_str(), nullptr);
  result.status = std::atoi(parts[1].c_str());
  result.file = parts[2];
  result.request = ReadFile(parts[2]);
  if (parts.size() == 4) {
    result.answer = ReadFile(parts[3]);
    result.has_answer = true;
  }
  return result;
}

bool Near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max({1.0, std::abs(a)});
}

// Whether two texts differ in nothing but the last digits of numbers.
bool NearJson(const std::string& a, const std::string& b, double tolerance) {
  const char *i = a.c_str(), *j = b.c_str();
  const auto number = [](const char* at) {
    return *at == '-' || (*at >= '0' && *at <= '9');
  };
  while (*i != 0 && *j != 0) {
    if (number(i) && number(j)) {
      char *end_i = nullptr, *end_j = nullptr;
      if (!Near(std::strtod(i, &end_i), std::strtod(j, &end_j), tolerance)) {
        return false;
      }
      i = std::max<const char*>(end_i, i + 1);
      j = std::max<const char*>(end_j, j + 1);
    } else if (*i++ != *j++) {
      return false;
    }
  }
  return *i == *j;
}

bool IsFp32(const std::string& answer, size_t json) {
  constexpr std::string_view kKey = "\"datatype\":";
  const std::string_view head(answer.data(), json);
  for (size_t at = head.find(kKey); at != head.npos;
       at = head.find(kKey, at + 1)) {
    if (head.substr(at + kKey.size(), 6) != "\"FP32\"") return false;
  }
  return true;
}

// Whether an answer is the expected one; its tensors after the first `json`
// bytes may be off by the tolerance where all of them are FP32.
bool IsRight(const std::string& expected, const std::string& got, size_t json,
             double tolerance) {
  if (expected == got) return true;
  if (tolerance == 0) return false;
  if (json == 0) return NearJson(expected, got, tolerance);
  if (expected.size() != got.size() ||
      expected.compare(0, json, got, 0, json) != 0 || !IsFp32(got, json)) {
    return false;
  }
  for (size_t at = json; at + sizeof(float) <= got.size();
       at += sizeof(float)) {
    float a, b;
    std::memcpy(&a, expected.data() + at, sizeof a);
    std::memcpy(&b, got.data() + at, sizeof b);
    if (!Near(static_cast<double>(a), static_cast<double>(b), tolerance)) {
      return false;
    }
  }
  return true;
}

struct Connection {
  int socket = -1;
  const Case* asked = nullptr;  // null while idle
  Clock::time_point due;
  size_t written = 0;
  std::string input;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        random_(options.seed),
        gap_(std::max(options.rate, 1.0)) {
    std::vector<double> weights;
    for (const std::string& text : options.cases) {
      cases_.push_back(ParseCase(text));
      weights.push_back(cases_.back().weight);
    }
    pick_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
    connections_.resize(static_cast<size_t>(options.connections));
    epoll_ = epoll_create1(0);
  }

  int Run() {
    for (Connection& connection : connections_) {
      if (!Connect(&connection)) {
        std::perror("load: cannot connect");
        return 2;
      }
      idle_.push_back(&connection);
    }
    const auto start = Clock::now();
    const auto end = start + Within(options_.seconds);
    const auto last = end + Within(options_.patience);
    next_due_ = start;
    std::array<epoll_event, 256> events;
    while (true) {
      const auto now = Clock::now();
      if (now < end) {
        Ask(now);
      } else {
        Arrive(end);  // what was due while nobody looked
        AskWaiting();
        const bool done =
            idle_.size() == connections_.size() && waiting_.empty();
        if (done || now >= last) break;
      }
      if (refused_) break;
      const auto wake = now >= end          ? last
                        : options_.rate > 0 ? std::min(end, next_due_)
                                            : end;
      const int count = Wait(wake, &events);
      for (int i = 0; i < count; ++i) {
        auto* connection =
            static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
        if ((events[static_cast<size_t>(i)].events & EPOLLOUT) != 0) {
          Write(connection);
        }
        if ((events[static_cast<size_t>(i)].events & ~EPOLLOUT) != 0) {
          Read(connection);
        }
      }
    }
    lost_ += connections_.size() - idle_.size() + waiting_.size();
    // An overloaded server answers on and on after the end: that time counts.
    Report(Seconds(Clock::now() - start).count());
    return refused_ ? 1 : 0;
  }

 private:
  static Clock::duration Within(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
  }

  bool Connect(Connection* connection) {
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(options_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection->socket, reinterpret_cast<sockaddr*>(&address),
                sizeof address) != 0) {
      return false;
    }
    const int on = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->socket, &event);
    return true;
  }

  // Sends what is due: of an open loop what the clock says, else all that is
  // idle.
  void Ask(Clock::time_point now) {
    if (options_.rate == 0) {
      while (!idle_.empty() && !refused_) Send(now);
      return;
    }
    Arrive(now);
    AskWaiting();
  }

  void Arrive(Clock::time_point until) {
    if (options_.rate == 0) return;
    for (; next_due_ <= until; next_due_ += Within(gap_(random_))) {
      waiting_.push_back(next_due_);
    }
  }

  void AskWaiting() {
    while (!waiting_.empty() && !idle_.empty() && !refused_) {
      Send(waiting_.front());
      waiting_.pop_front();
    }
  }

  void Send(Clock::time_point due) {
    Connection* connection = idle_.front();
    if (connection->socket < 0 && !Connect(connection)) {
      std::perror("load: cannot connect again");
      close(connection->socket);
      connection->socket = -1;
      refused_ = true;
      return;
    }
    idle_.pop_front();
    connection->asked = &cases_[pick_(random_)];
    connection->due = due;
    connection->written = 0;
    connection->input.clear();
    ++sent_;
    Write(connection);
  }

  void Write(Connection* connection) {
    if (connection->asked == nullptr) return;
    const std::string& request = connection->asked->request;
    while (connection->written < request.size()) {
      const ssize_t count = send(
          connection->socket, request.data() + connection->written,
          request.size() - connection->written, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0) {
        // Where the server has closed, what it answered is still to be read.
        Watch(connection, errno == EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
        return;
      }
      connection->written += static_cast<size_t>(count);
    }
    Watch(connection, EPOLLIN);
  }

  void Watch(Connection* connection, uint32_t events) const {
    epoll_event event = {};
    event.events = events;
    event.data.ptr = connection;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection->socket, &event);
  }

  void Read(Connection* connection) {
    if (connection->socket < 0) return;
    const size_t before = connection->input.size();
    connection->input.resize(before + (size_t{64} << 10));
    const ssize_t count =
        recv(connection->socket, connection->input.data() + before,
             size_t{64} << 10, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) {
      connection->input.resize(before);
      return;
    }
    connection->input.resize(before +
                             static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count <= 0) {
      // Idle connections may end; a request on one may not.
      const bool busy = connection->asked != nullptr;
      if (busy) {
        ++lost_;
        Tell("lost", *connection->asked, "the connection ended");
      }
      Close(connection, busy);
      return;
    }
    const size_t end = connection->input.find("\r\n\r\n");
    if (connection->asked == nullptr || end == std::string::npos) return;
    const std::string_view head(connection->input.data(), end + 2);
    const size_t whole = end + 4 + Header(head, "Content-Length");
    if (connection->input.size() < whole) return;
    Take(connection, head, connection->input.substr(end + 4));
  }

  void Take(Connection* connection, std::string_view head, std::string body) {
    const int status = std::atoi(connection->input.c_str() + 9);
    const Case& asked = *connection->asked;
    ++statuses_[status];
    latencies_.push_back(Seconds(Clock::now() - connection->due).count());
    const size_t json = Header(head, "Inference-Header-Content-Length");
    if (status != asked.status ||
        (asked.has_answer &&
         !IsRight(asked.answer, body, json, options_.tolerance))) {
      ++wrong_;
      Tell("wrong", asked,
           "HTTP " + std::to_string(status) + ", " +
               body.substr(0, json > 0 ? json : 200));
      // Beside the request, to be compared with what was wanted.
      std::ofstream(asked.file + ".wrong", std::ios::binary) << body;
    }
    const bool closing =
        head.find("onnection: close") != std::string_view::npos ||
        connection->written < asked.request.size();
    connection->asked = nullptr;
    if (closing) {
      Close(connection, true);
    } else {
      idle_.push_back(connection);
    }
  }

  void Close(Connection* connection, bool becomes_idle) {
    close(connection->socket);
    connection->socket = -1;
    connection->asked = nullptr;
    if (becomes_idle) idle_.push_back(connection);
  }

  static size_t Header(std::string_view head, const char* name) {
    for (size_t line = head.find("\r\n"); line != head.npos;
         line = head.find("\r\n", line + 2)) {
      const char* at = head.data() + line + 2;
      if (strncasecmp(at, name, std::strlen(name)) == 0 &&
          at[std::strlen(name)] == ':') {
        return std::strtoull(at + std::strlen(name) + 1, nullptr, 10);
      }
    }
    return 0;
  }

  int Wait(Clock::time_point until, std::array<epoll_event, 256>* events) {
    const auto left = std::max<int64_t>(
        0, std::chrono::nanoseconds(until - Clock::now()).count());
    timespec time = {};
    time.tv_sec = left / 1'000'000'000;
    time.tv_nsec = left % 1'000'000'000;
    return epoll_pwait2(epoll_, events->data(),
                        static_cast<int>(events->size()), &time, nullptr);
  }

  void Tell(const char* what, const Case& asked, const std::string& why) {
    if (told_++ < 5) {
      std::fprintf(stderr, "load: %s: %s: %s\n", what, asked.file.c_str(),
                   why.c_str());
    }
  }

  void Report(double seconds) {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double share) {
      if (latencies_.empty()) return 0.0;
      const auto last = static_cast<double>(latencies_.size() - 1);
      return 1000 * latencies_[static_cast<size_t>(std::lround(share * last))];
    };
    std::printf(
        "{\"seconds\": %.3f, \"sent\": %zu, \"answered\": %zu, \"lost\": %zu, "
        "\"wrong\": %zu, \"rate\": %.1f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, "
        "\"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f, "
        "\"statuses\": {",
        seconds, sent_, latencies_.size(), lost_, wrong_,
        static_cast<double>(latencies_.size()) / seconds, at(0.5), at(0.9),
        at(0.99), at(0.999), at(1));
    const char* separator = "";
    for (const auto& [status, count] : statuses_) {
      std::printf("%s\"%d\": %zu", separator, status, count);
      separator = ", ";
    }
    std::printf("}}\n");
  }

  const Options options_;
  std::vector<Case> cases_;
  std::mt19937 random_;
  std::exponential_distribution<double> gap_;
  std::discrete_distribution<size_t> pick_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::deque<Connection*> idle_;
  std::deque<Clock::time_point> waiting_;  // due, and no connection is idle
  Clock::time_point next_due_;
  std::vector<double> latencies_;  // seconds
  std::map<int, size_t> statuses_;
  size_t sent_ = 0, lost_ = 0, wrong_ = 0;
  int told_ = 0;
  bool refused_ = false;  // the server takes no connection any more
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Loads a server with prepared requests.");
  Options options;
  app.add_option("--port", options.port, "The server's, on loopback.")
      ->required();
  app.add_option("--connections", options.connections, "At the same time.");
  app.add_option("--seconds", options.seconds, "Time in which it asks.");
  app.add_option("--rate", options.rate,
                 "Requests per second, a Poisson process; 0: as fast as "
                 "answers come.");
  app.add_option("--tolerance", options.tolerance,
                 "How far numbers of an answer may be off, beside 1 or beside "
                 "themselves; 0: not by a bit.");
  app.add_option("--patience", options.patience,
                 "Seconds that answers may come late, at the end.");
  app.add_option("--seed", options.seed, "Of arrivals and of what is asked.");
  app.add_option("--case", options.cases, "WEIGHT:STATUS:REQUEST[:ANSWER]")
      ->required();
  CLI11_PARSE(app, argc, argv);
  return Load(options).Run();
}
