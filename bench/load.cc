// Loads a server with prepared requests and looks at every answer.
//
//   load --port=P --port=grpc:P ... --connections=16 --seconds=5
//        --case=[grpc:]WEIGHT:STATUS:REQUEST[:ANSWER] ... [--rate=1700]
//        [--follow]
//
// REQUEST is a file with the whole HTTP request, ANSWER one with the body that
// must come, whichever version of a model gives it. For gRPC REQUEST has header
// fields as lines, an empty line and what DATA frames carry, STATUS is
// grpc-status, and ANSWER what DATA frames bring: messages with their prefixes.
// New connections go to the ports of their protocol in turn, and with --follow
// to those of the last line of stdin: what watches the servers' readiness says
// there which are ready, as a Service of Kubernetes would. Without --rate each
// connection, or stream of one, asks as soon as it is answered. With --rate
// requests arrive as a Poisson process whatever the server does (an open loop),
// and a latency counts from when a request was due: what waits for a connection
// waits. Prints one line of JSON.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/load_case.h"
#include "bench/load_client.h"
#include "bench/load_grpc.h"
#include "bench/load_http.h"
#include "bench/load_report.h"

namespace {

using Seconds = std::chrono::duration<double>;

struct Options {
  std::vector<std::string> ports;
  bool follow = false;
  int connections = 16;
  int grpc_connections = 4;
  int streams = 4;
  double seconds = 5;
  double rate = 0;
  double patience = 10;  // seconds that answers may come late, at the end
  double tolerance = 0;
  unsigned seed = 1;
  std::vector<std::string> cases;
};

// A protocol's share of the requests.
struct Lane {
  Ports ports;
  std::vector<Case*> cases;
  std::vector<double> weights;
  std::discrete_distribution<size_t> pick;
  std::unique_ptr<Client> client;
  std::deque<Clock::time_point> waiting;  // due, and there is no room
};

class Load : public Waiter {
 public:
  explicit Load(const Options& options)
      : options_(options),
        random_(options.seed),
        gap_(std::max(options.rate, 1.0)),
        report_(options.tolerance) {
    for (const std::string& text : options.cases) {
      Case& made = cases_.emplace_back(ParseCase(text));
      lanes_[made.protocol].cases.push_back(&made);
      lanes_[made.protocol].weights.push_back(made.weight);
    }
    SetPorts(options.ports);
    for (auto& [protocol, lane] : lanes_) {
      double whole = 0;
      for (double weight : lane.weights) whole += weight;
      shares_.push_back(whole);
      lane.pick = {lane.weights.begin(), lane.weights.end()};
      lane.client = protocol == Protocol::kGrpc
                        ? GrpcClient(&poller_, &lane.ports, &report_,
                                     options.grpc_connections, options.streams)
                        : HttpClient(&poller_, &lane.ports, &report_,
                                     options.connections);
    }
    pick_lane_ = {shares_.begin(), shares_.end()};
    if (options.follow) poller_.Add(STDIN_FILENO, this);
  }

  int Run() {
    for (auto& [protocol, lane] : lanes_) {
      if (lane.ports.empty()) {
        std::fprintf(stderr, "load: a case needs --port=%s:PORT\n",
                     NameOf(protocol));
        return 2;
      }
      // Who follows may come late for one that has just ended.
      if (!options_.follow && !lane.client->Open()) {
        std::perror("load: cannot connect");
        return 2;
      }
    }
    poller_.Wait(Clock::now());  // what stdin says already
    const auto start = Clock::now();
    const auto end = start + Within(options_.seconds);
    const auto last = end + Within(options_.patience);
    next_due_ = start;
    for (;;) {
      const auto now = Clock::now();
      Arrive(std::min(now, end));
      for (auto& [protocol, lane] : lanes_) Ask(&lane, now, now < end);
      if (deserted() || now >= last || (now >= end && idle())) break;
      poller_.Wait(now >= end          ? last
                   : options_.rate > 0 ? std::min(end, next_due_)
                                       : end);
    }
    for (auto& [protocol, lane] : lanes_) {
      lane.client->Abandon();
      report_.OnNeverSent(lane.waiting.size());
    }
    // An overloaded server answers on and on after the end: that time counts.
    report_.Print(Seconds(Clock::now() - start).count(), cases_);
    return deserted() ? 1 : 0;
  }

  // Takes the ports of stdin's last whole line.
  void OnReady(bool, bool) override {
    std::array<char, 4096> bytes;
    const ssize_t count = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count <= 0) {
      poller_.Remove(STDIN_FILENO);
      return;
    }
    told_ports_.append(bytes.data(), static_cast<size_t>(count));
    const size_t end = told_ports_.rfind('\n');
    if (end == std::string::npos) return;
    const size_t before = told_ports_.rfind('\n', end - 1);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    std::istringstream line(told_ports_.substr(begin, end - begin));
    SetPorts({std::istream_iterator<std::string>(line), {}});
    told_ports_.erase(0, end + 1);
  }

 private:
  static Clock::duration Within(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
  }

  // Each is [PROTOCOL:]PORT.
  void SetPorts(const std::vector<std::string>& texts) {
    std::map<Protocol, std::vector<int>> ports;
    for (std::string text : texts) {
      const Protocol protocol = TakeProtocol(&text);
      ports[protocol].push_back(std::atoi(text.c_str()));
    }
    for (auto& [protocol, lane] : lanes_) lane.ports.Set(ports[protocol]);
  }

  bool deserted() const {
    return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& entry) {
      return entry.second.ports.deserted();
    });
  }

  bool idle() const {
    return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& entry) {
      return entry.second.client->idle() && entry.second.waiting.empty();
    });
  }

  // What an open loop has due by then.
  void Arrive(Clock::time_point until) {
    if (options_.rate == 0) return;
    for (; next_due_ <= until; next_due_ += Within(gap_(random_))) {
      std::next(lanes_.begin(), static_cast<ptrdiff_t>(pick_lane_(random_)))
          ->second.waiting.push_back(next_due_);
    }
  }

  // Sends what is due: of an open loop what has arrived, else all that there is
  // room for.
  void Ask(Lane* lane, Clock::time_point now, bool more) {
    while (lane->client->has_room() && !deserted()) {
      Asked asked = {nullptr, now};
      if (options_.rate > 0) {
        if (lane->waiting.empty()) return;
        asked.due = lane->waiting.front();
        lane->waiting.pop_front();
      } else if (!more) {
        return;
      }
      asked.what = lane->cases[lane->pick(random_)];
      report_.OnSent();
      lane->client->Send(asked);
    }
  }

  const Options options_;
  std::mt19937 random_;
  std::exponential_distribution<double> gap_;
  std::deque<Case> cases_;
  Poller poller_;
  Report report_;
  std::map<Protocol, Lane> lanes_;
  std::vector<double> shares_;
  std::discrete_distribution<size_t> pick_lane_;
  Clock::time_point next_due_;
  std::string told_ports_;  // what stdin said, as far as no line
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Loads a server with prepared requests.");
  Options options;
  app.add_option("--port", options.ports,
                 "[grpc:]PORT of the server, on loopback; may come again.")
      ->required();
  app.add_flag("--follow", options.follow,
               "Lines of stdin are the ports to connect to from now on.");
  app.add_option("--connections", options.connections,
                 "Of HTTP, at the same time.");
  app.add_option("--grpc-connections", options.grpc_connections,
                 "Of gRPC, beside those that end.");
  app.add_option("--streams", options.streams,
                 "Calls at the same time on a connection of gRPC.");
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
  app.add_option("--case", options.cases,
                 "[grpc:]WEIGHT:STATUS:REQUEST[:ANSWER]")
      ->required();
  CLI11_PARSE(app, argc, argv);
  return Load(options).Run();
}
