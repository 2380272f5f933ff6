// `server healthcheck`: asks a server on this machine whether it is ready. An
// image without shell and curl has no other way to.

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/server/commands.h"

namespace server {
namespace {

struct HealthCheckFlags {
  std::string host = "127.0.0.1";
  int64_t port = 8080;
  int64_t timeout_ms = 2000;

  void Register(CLI::App* app) {
    app->add_option("--host", host, "Address of the server.");
    app->add_option("--port", port, "Port of the server.")
        ->check(CLI::Range(1, 65535));
    app->add_option("--timeout_ms", timeout_ms,
                    "How long to wait for the answer.")
        ->check(CLI::Range(1, 3'600'000));
  }
};

// Sends a request and returns the whole answer.
absl::StatusOr<std::string> Ask(const std::string& host, int64_t port,
                                int64_t timeout_ms, absl::string_view request) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> address(found,
                                                               freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto fail = [fd] {
    const absl::Status status = absl::UnavailableError(strerror(errno));
    close(fd);
    return status;
  };
  const timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  if (connect(fd, found->ai_addr, found->ai_addrlen) != 0 ||
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    return fail();
  }
  std::string answer;
  char buffer[4096];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) return fail();
  close(fd);
  return answer;
}

int CheckHealth(const HealthCheckFlags& flags) {
  const auto answer =
      Ask(flags.host, flags.port, flags.timeout_ms,
          absl::StrCat("GET /v2/health/ready HTTP/1.1\r\nHost: ", flags.host,
                       "\r\nConnection: close\r\n\r\n"));
  if (!answer.ok()) {
    return Failed(absl::UnavailableError(
        absl::StrCat("no server answers on ", flags.host, " port ", flags.port,
                     ": ", answer.status().message())));
  }
  if (!absl::StartsWith(*answer, "HTTP/1.1 200 ")) {
    return Failed(absl::UnavailableError(absl::StrCat(
        "the server on ", flags.host, " port ", flags.port,
        " is not ready: ", answer->substr(0, answer->find('\r')))));
  }
  return 0;
}

}  // namespace

Command AddHealthCheck(CLI::App* program) {
  CLI::App* app = program->add_subcommand(
      "healthcheck",
      "Asks a server: exit code 0 if it is ready, 1 if it is not.");
  const auto flags = std::make_shared<HealthCheckFlags>();
  flags->Register(app);
  return {app, [flags] { return CheckHealth(*flags); }};
}

}  // namespace server
