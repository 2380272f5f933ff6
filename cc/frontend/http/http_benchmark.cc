// What the server costs by itself: clients on kept connections whose requests
// are answered with their own bodies.
//
//   ./bazelw run //cc/frontend/http:http_benchmark -- [connections [bytes]]
#include <time.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/frontend/http/server.h"
#include "cc/frontend/http/server_fixture.h"

namespace http {
namespace {

using Seconds = std::chrono::duration<double>;

Seconds CpuOfThisThread() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) +
         std::chrono::nanoseconds(time.tv_nsec);
}

void Measure(int connections, size_t bytes) {
  base::Loop loop;
  base::ByteBudget budget(size_t{1} << 30);
  EchoHandler handler(&loop);
  Server::Options options;
  options.port = 0;
  auto server = Server::Bind(options, &loop, &budget);
  if (!server.ok() || !(*server)->Listen(&handler).ok()) {
    std::fprintf(stderr, "the server cannot start\n");
    return;
  }
  Seconds cpu{};
  std::thread serving([&] {
    loop.Run();
    cpu = CpuOfThisThread();
  });

  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < connections; ++i) {
    clients.push_back(std::make_unique<Client>((*server)->port()));
  }
  const std::string request = PostOf("/echo", std::string(bytes, 'x'));
  clients[0]->Send(PostOf("/echo", ""));
  const size_t head = clients[0]->ReadUntil("\r\n\r\n").size() - 1 +
                      std::to_string(bytes).size();
  size_t requests = 0;
  const auto start = std::chrono::steady_clock::now();
  Seconds time{};
  while (time < Seconds(3)) {
    for (const auto& client : clients) client->Send(request);
    for (const auto& client : clients) {
      size_t missing = head + bytes;
      while (missing > 0) missing -= client->ReadSome(missing).size();
    }
    requests += clients.size();
    time = std::chrono::steady_clock::now() - start;
  }
  loop.Stop();
  serving.join();
  std::printf(
      "%d connections, %zu bytes: %.0f requests/s, %.2f us of CPU "
      "each in the server\n",
      connections, bytes, static_cast<double>(requests) / time.count(),
      cpu.count() / static_cast<double>(requests) * 1e6);
}

}  // namespace
}  // namespace http

int main(int argc, char** argv) {
  if (argc > 1) {
    http::Measure(std::stoi(argv[1]), argc > 2 ? std::stoul(argv[2]) : 12'288);
    return 0;
  }
  for (const size_t bytes : {100, 12'288, 602'112}) {
    http::Measure(16, bytes);
  }
}
