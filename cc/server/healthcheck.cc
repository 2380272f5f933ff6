// `server healthcheck`: asks a server on this machine whether it is ready. An
// image without shell and curl has no other way to. It asks where the server
// that runs here was told to listen, so that an image's check need not be told.

#include <errno.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cc/base/clock.h"
#include "cc/base/processes.h"
#include "cc/server/commands.h"
#include "cc/server/config.h"
#include "cc/server/listen_flags.h"
#include "cc/telemetry/http_client.h"

namespace server {
namespace {

struct HealthCheckFlags {
  std::optional<std::string> host;
  std::optional<int64_t> port;
  int64_t timeout_ms = 2000;

  void Register(CLI::App* app) {
    app->add_option("--host", host,
                    "Address of the server; without it, that of the server "
                    "that runs here.");
    app->add_option("--port", port,
                    "Port of the server, likewise; needed where that serves "
                    "with --port 0, on a port that the system chose.")
        ->check(CLI::Range(1, 65535));
    app->add_option("--timeout_ms", timeout_ms,
                    "How long to wait for the answer.")
        ->check(CLI::Range(1, 3'600'000));
  }
};

// The flags of `serve` in the command line of a process, if it has one, which
// may stand behind an init or an emulator, in its environment and its file.
std::optional<ListenFlags> FlagsOfServer(const std::string& process) {
  std::ifstream file("/proc/" + process + "/cmdline");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  const std::vector<std::string> words =
      absl::StrSplit(line, '\0', absl::SkipEmpty());
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] != "serve" ||
        words[i - 1].substr(words[i - 1].rfind('/') + 1) !=
            program_invocation_short_name) {
      continue;
    }
    CLI::App app;
    app.allow_extras();
    app.option_defaults()->multi_option_policy(
        CLI::MultiOptionPolicy::TakeLast);
    ListenFlags flags;
    Config config;
    flags.Register(&app);
    config.Register(&app);
    try {
      // The last one first, as CLI11 wants.
      app.parse(std::vector<std::string>(
          words.rbegin(), std::make_reverse_iterator(words.begin() + i + 1)));
    } catch (const CLI::ParseError&) {
      return std::nullopt;  // it will not serve either
    }
    if (!config
             .Fill(EnvironmentOf(process), Config::Unknown::kIgnored,
                   "/proc/" + process + "/cwd")
             .ok()) {
      return std::nullopt;
    }
    return flags;
  }
  return std::nullopt;
}

// Where the server that runs here was told to listen; without one, where it
// would by default.
ListenFlags RunningServer() {
  for (const pid_t process : base::Processes()) {  // 1 before others
    if (auto flags = FlagsOfServer(absl::StrCat(process))) return *flags;
  }
  return {};
}

int CheckHealth(const HealthCheckFlags& flags) {
  ListenFlags server = RunningServer();
  server.host = flags.host.value_or(server.host);
  server.port = flags.port.value_or(server.port);
  // Who listens on every address is asked on loopback, by IPv4 or IPv6.
  const bool any = server.host == "::" || server.host == "0.0.0.0";
  const auto answer = telemetry::Ask(
      {any ? "" : server.host, static_cast<uint16_t>(server.port),
       "/v2/health/ready"},
      /*json=*/"",
      base::Clock::now() + std::chrono::milliseconds(flags.timeout_ms));
  if (!answer.ok()) {
    return Failed(absl::UnavailableError(
        absl::StrCat("no server answers on ", server.host, " port ",
                     server.port, ": ", answer.status().message())));
  }
  if (answer->status != 200) {
    return Failed(absl::UnavailableError(
        absl::StrCat("the server on ", server.host, " port ", server.port,
                     " is not ready: ", answer->status_line)));
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
