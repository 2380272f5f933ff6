// Loads a server with prepared requests and looks at every answer.
//
//   load --port=P ... --connections=16 --seconds=5
//        --case=WEIGHT:STATUS:REQUEST[:ANSWER] ... [--rate=1700] [--follow]
//
// REQUEST is a file with the whole HTTP request; ANSWER one with the body that
// must come, whichever version of a model gives it. New connections go to the
// ports in turn, and with --follow to those of the last line of stdin: what
// watches the servers' readiness says there which are ready, as a Service of
// Kubernetes would. Without --rate each connection asks as soon as it is
// answered. With --rate requests arrive as a Poisson process whatever the
// server does (an open loop), and a latency counts from when a request was due:
// what waits for a connection waits. Prints one line of JSON.

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
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/load_case.h"

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Options {
  std::vector<int> ports;
  bool follow = false;
  int connections = 16;
  double seconds = 5;
  double rate = 0;
  double patience = 10;  // seconds that answers may come late, at the end
  double tolerance = 0;
  unsigned seed = 1;
  std::vector<std::string> cases;
};

struct Connection {
  int socket = -1;
  Case* asked = nullptr;  // null while idle
  Clock::time_point due;
  size_t written = 0;
  std::string input;
};

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        ports_(options.ports),
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
    if (options.follow) {
      epoll_event event = {};
      event.events = EPOLLIN;  // data.ptr is null: no connection's
      epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    }
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
        if (connection == nullptr) {
          Follow();
          continue;
        }
        if ((events[static_cast<size_t>(i)].events & EPOLLOUT) != 0) {
          Write(connection);
        }
        if ((events[static_cast<size_t>(i)].events & ~EPOLLOUT) != 0) {
          Read(connection);
        }
      }
    }
    for (const Connection& connection : connections_) {
      if (connection.asked != nullptr) Lose(connection.asked, "no answer");
    }
    lost_ += waiting_.size();
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
    address.sin_port =
        htons(static_cast<uint16_t>(ports_[next_port_++ % ports_.size()]));
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

  // Takes the ports of the last whole line.
  void Follow() {
    std::array<char, 4096> bytes;
    const ssize_t count = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count <= 0) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
      return;
    }
    told_ports_.append(bytes.data(), static_cast<size_t>(count));
    const size_t end = told_ports_.rfind('\n');
    if (end == std::string::npos) return;
    const size_t before = told_ports_.rfind('\n', end - 1);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    std::istringstream line(told_ports_.substr(begin, end - begin));
    std::vector<int> ports{std::istream_iterator<int>(line), {}};
    // Where nobody is ready, those that were are as good as any.
    if (!ports.empty()) ports_ = std::move(ports);
    told_ports_.erase(0, end + 1);
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
    Case* const asked = &cases_[pick_(random_)];
    if (connection->socket < 0 && !Connect(connection)) {
      // The request is lost; the next one goes to another port.
      Lose(asked, std::strerror(errno));
      ++sent_;
      close(connection->socket);
      connection->socket = -1;
      refused_ = ++refusals_ == kMaxRefusals;
      return;
    }
    refusals_ = 0;
    idle_.pop_front();
    connection->asked = asked;
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
        Lose(connection->asked, "the connection ended");
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
    Case& asked = *connection->asked;
    ++statuses_[status];
    latencies_.push_back(Seconds(Clock::now() - connection->due).count());
    const size_t json = Header(head, "Inference-Header-Content-Length");
    if (!IsRight(asked, status, body, json, options_.tolerance)) {
      ++wrong_;
      ++asked.unwanted[status];
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

  void Lose(Case* asked, const std::string& why) {
    ++lost_;
    ++asked->unwanted[0];
    Tell("lost", *asked, why);
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
    std::printf("}, \"unwanted\": {");
    separator = "";
    for (const Case& asked : cases_) {
      if (asked.unwanted.empty()) continue;
      std::printf("%s\"%s\": {", separator, asked.file.c_str());
      separator = "";
      for (const auto& [status, count] : asked.unwanted) {
        std::printf("%s\"%d\": %zu", separator, status, count);
        separator = ", ";
      }
      std::printf("}");
      separator = ", ";
    }
    std::printf("}}\n");
  }

  // In a row: nobody is there any more.
  static constexpr int kMaxRefusals = 100;

  const Options options_;
  std::vector<int> ports_;
  size_t next_port_ = 0;
  std::string told_ports_;  // what stdin said, as far as no line
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
  int refusals_ = 0;
  bool refused_ = false;  // the server takes no connection any more
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Loads a server with prepared requests.");
  Options options;
  app.add_option("--port", options.ports,
                 "The server's, on loopback; may come again.")
      ->required();
  app.add_flag("--follow", options.follow,
               "Lines of stdin are the ports to connect to from now on.");
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
