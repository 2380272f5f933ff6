// `server serve`: wires the parts together and runs until it is told to stop.

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "cc/server/commands.h"
#include "cc/server/device.h"
#include "cc/server/http_server.h"
#include "cc/server/listen_flags.h"
#include "cc/server/log.h"
#include "cc/server/metrics.h"
#include "cc/server/model_repository.h"
#include "cc/server/paddle_backend.h"
#include "cc/server/protocol.h"
#include "cc/server/rest.h"
#include "cc/server/service.h"

namespace server {
namespace {

struct ServeFlags {
  std::string model_repository = "/models";
  ListenFlags listen;
  int64_t instances = 1;
  int64_t threads = 1;
  int64_t onednn = 1;
  DeviceFlags device;
  int64_t max_queue = 256;
  int64_t max_batch_size = 1024;
  int64_t max_request_bytes = 64 << 20;
  int64_t max_connections = 1024;
  int64_t idle_timeout_ms = 60'000;
  int64_t head_timeout_ms = 10'000;
  int64_t stall_timeout_ms = 10'000;
  int64_t min_bytes_per_second = 16 << 10;
  int64_t drain_timeout_ms = 4000;
  LogLevel log_level = LogLevel::kInfo;

  void Register(CLI::App* app) {
    app->add_option("--model_repository", model_repository,
                    "Directory with NAME/VERSION/model.pdmodel and .pdiparams; "
                    "every version is served.");
    listen.Register(app);
    app->add_option("--instances", instances,
                    "Requests that each model runs at the same time; at least "
                    "one on each GPU.")
        ->check(CLI::Range(1, 1024));
    app->add_option("--threads", threads,
                    "Threads that one request computes with.")
        ->check(CLI::Range(1, 1024));
    app->add_option("--onednn", onednn,
                    "1 computes with oneDNN; 0 without, slower, but with the "
                    "very bits of the dynamic graph.")
        ->check(CLI::Range(0, 1));
    device.Register(app);
    app->add_option("--max_queue", max_queue,
                    "Requests that may wait for each model; further ones get "
                    "503.")
        ->check(CLI::Range(0, 1'000'000));
    app->add_option("--max_batch_size", max_batch_size,
                    "Rows that one request may compute, where the model leaves "
                    "the first dimension open; more get 400.")
        ->check(CLI::Range(int64_t{1}, int64_t{0x7fffffff}));
    app->add_option("--max_request_bytes", max_request_bytes,
                    "Largest body of a request; a larger one gets 413.")
        ->check(CLI::Range(int64_t{1}, int64_t{4} << 30));
    app->add_option("--max_connections", max_connections,
                    "Connections at the same time; further ones get 503.")
        ->check(CLI::Range(1, 1'000'000));
    app->add_option("--idle_timeout_ms", idle_timeout_ms,
                    "Time that a connection is kept without a request.")
        ->check(CLI::Range(1, 3'600'000));
    app->add_option("--head_timeout_ms", head_timeout_ms,
                    "Time for a new connection's first byte, and from a "
                    "request's first byte to the end of its headers; later "
                    "gets 408.")
        ->check(CLI::Range(1, 3'600'000));
    app->add_option("--stall_timeout_ms", stall_timeout_ms,
                    "Time over which a body must arrive, and an answer be "
                    "taken, at --min_bytes_per_second; a slower body gets 408, "
                    "a slower reader is cut off.")
        ->check(CLI::Range(1, 3'600'000));
    app->add_option("--min_bytes_per_second", min_bytes_per_second,
                    "Least speed of a body and of an answer, see "
                    "--stall_timeout_ms.")
        ->check(CLI::Range(1, 1'000'000'000));
    app->add_option("--drain_timeout_ms", drain_timeout_ms,
                    "After SIGTERM: time in which what was accepted is "
                    "answered.")
        ->check(CLI::Range(0, 3'600'000));
    app->add_option_function<std::string>(
           "--log_level",
           [this](const std::string& text) {
             const absl::Status status = ParseLogLevel(text, &log_level);
             if (!status.ok()) {
               throw CLI::ValidationError("--log_level",
                                          std::string(status.message()));
             }
           },
           "Least level written: debug, info, warning or error.")
        ->default_str("info");
  }
};

// Until the server serves there is nothing to finish; and as process 1 of a
// container a signal without a handler would have no effect at all.
void ExitOnSignal(int) { _exit(0); }

void PrepareProcess() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, ExitOnSignal);
  signal(SIGINT, ExitOnSignal);
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

// An error before or instead of serving: in the log, and on stderr for people.
int CannotServe(const absl::Status& status) {
  Log(LogLevel::kError, "cannot serve",
      {{"error", std::string(status.message())}});
  return Failed(status);
}

HttpServer::Options HttpOptions(const ServeFlags& flags) {
  HttpServer::Options options;
  options.host = flags.listen.host;
  options.port = static_cast<int>(flags.listen.port);
  options.max_connections = static_cast<int>(flags.max_connections);
  options.limits.body_bytes = static_cast<size_t>(flags.max_request_bytes);
  options.timeouts.idle = std::chrono::milliseconds(flags.idle_timeout_ms);
  options.timeouts.head = std::chrono::milliseconds(flags.head_timeout_ms);
  options.timeouts.stall = std::chrono::milliseconds(flags.stall_timeout_ms);
  options.timeouts.min_bytes_per_second = flags.min_bytes_per_second;
  options.drain_timeout = std::chrono::milliseconds(flags.drain_timeout_ms);
  return options;
}

PaddleOptions EngineOptions(const ServeFlags& flags, const Devices& devices) {
  PaddleOptions options;
  options.instances = static_cast<int>(flags.instances);
  options.threads = static_cast<int>(flags.threads);
  options.onednn = flags.onednn != 0;
  options.gpus = devices.gpus;
  options.gpu_memory_mb = static_cast<int>(flags.device.gpu_memory_mb);
  return options;
}

int ServeModels(const ServeFlags& flags) {
  auto http = HttpServer::Bind(HttpOptions(flags));
  if (!http.ok()) return CannotServe(http.status());
  const auto start = Clock::now();
  const auto devices = ChooseDevices(flags.device.device, PaddleHasCuda());
  if (!devices.ok()) return CannotServe(devices.status());
  Log(LogLevel::kInfo, "device",
      {{"device", devices->Name()}, {"why", devices->why}});
  auto repository = ModelRepository::Load(
      flags.model_repository, PaddleLoader(EngineOptions(flags, *devices)),
      static_cast<size_t>(flags.max_queue));
  if (!repository.ok()) return CannotServe(repository.status());
  for (const std::string& reason : repository->passed_over()) {
    Log(LogLevel::kWarning, "passed over", {{"why", reason}});
  }
  for (const Model* model : repository->All()) {
    Log(LogLevel::kInfo, "model loaded",
        {{"model", model->info().name}, {"version", model->info().version}});
  }

  Registry registry;
  Service service(&*repository, &registry, flags.max_batch_size);
  RestHandler rest(&service, &registry);
  registry.AddGauge("paddle_server_connections", "Open connections.", {},
                    [&] { return (*http)->connections(); });
  registry.AddGauge("paddle_server_info",
                    "1, with the versions and the device as labels.",
                    {{"version", std::string(kServerVersion)},
                     {"paddle_version", PaddleVersion()},
                     {"device", devices->Name()}},
                    [] { return 1.0; });
  registry.AddText(ProcessMetricsText);

  if (absl::Status status = (*http)->Listen(); !status.ok()) {
    return CannotServe(status);
  }
  Log(LogLevel::kInfo, "listening",
      {{"host", (*http)->host()},
       {"port", int64_t{(*http)->port()}},
       {"models", static_cast<int64_t>(repository->All().size())},
       {"start_seconds",
        std::chrono::duration<double>(Clock::now() - start).count()},
       {"version", std::string(kServerVersion)},
       {"paddle_version", PaddleVersion()}});
  const int abandoned = (*http)->Run(&rest);
  if (abandoned > 0) {
    // A model may be in the middle of a request that would keep us waiting.
    Log(LogLevel::kError, "stopped before every request was answered",
        {{"abandoned", int64_t{abandoned}}});
    _exit(1);
  }
  // Requests whose client has gone may still run.
  repository->Stop();
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace

Command AddServe(CLI::App* program) {
  CLI::App* app = program->add_subcommand(
      "serve",
      "Serves models over HTTP, Open Inference Protocol v2, and /metrics.");
  const auto flags = std::make_shared<ServeFlags>();
  flags->Register(app);
  return {app, [flags] {
            SetLogLevel(flags->log_level);
            PrepareProcess();
            return ServeModels(*flags);
          }};
}

}  // namespace server
