// `server serve`: wires the parts together and runs until it is told to stop.

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cc/base/byte_budget.h"
#include "cc/base/clock.h"
#include "cc/base/copy_counter.h"
#include "cc/base/log.h"
#include "cc/base/loop.h"
#include "cc/base/metrics.h"
#include "cc/base/process_metrics.h"
#include "cc/base/signals.h"
#include "cc/engine/engine.h"
#include "cc/frontend/grpc/server.h"
#include "cc/frontend/grpc/service.h"
#include "cc/frontend/http/server.h"
#include "cc/frontend/rest/rest.h"
#include "cc/infer/core.h"
#include "cc/infer/model_directory.h"
#include "cc/ocr/reader.h"
#include "cc/ocr/repository.h"
#include "cc/server/commands.h"
#include "cc/server/config.h"
#include "cc/server/device.h"
#include "cc/server/serve_flags.h"
#include "cc/server/telemetry.h"
#include "cc/telemetry/gpu_metrics.h"
#include "cc/telemetry/trace_exporter.h"
#include "cc/worker/process.h"
#include "cc/worker/runner.h"
#include "cc/worker/spawner.h"

namespace server {
namespace {

using base::Log;
using base::LogLevel;

// How long the last lines of the log may take at the end.
constexpr absl::Duration kLogEnd = absl::Seconds(1);
// Likewise the last spans, which a collector may not take.
constexpr std::chrono::seconds kTracesEnd(1);

// SIGTERM and SIGINT do not end the process from now on: as process 1 of a
// container they would without a handler have no effect at all.
absl::StatusOr<std::unique_ptr<base::Signals>> PrepareProcess() {
  signal(SIGPIPE, SIG_IGN);
  // What whoever started us has blocked stays blocked beyond exec: SIGTERM
  // would have no effect, and no worker's end would be heard.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  return base::Signals::Count({SIGTERM, SIGINT});
}

// An error before or instead of serving: in the log, and on stderr for people.
int CannotServe(const absl::Status& status) {
  Log(LogLevel::kError, "cannot serve").With("error", status.message(), 4000);
  base::LogStop(kLogEnd);
  return Failed(status);
}

// As many for each of the servers as there are file descriptors for, when
// models have theirs: clients that come in numbers shall not keep a model from
// starting again.
int AffordableConnections(int wanted, int servers) {
  constexpr rlim_t kLeast = 64;
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  const rlim_t others = std::max(kLeast, files.rlim_cur / 4);
  const rlim_t left = std::max<rlim_t>(
      1, files.rlim_cur > others
             ? (files.rlim_cur - others) / static_cast<rlim_t>(servers)
             : 1);
  if (left >= static_cast<rlim_t>(wanted)) return wanted;
  Log(LogLevel::kWarning, "fewer connections than --max_connections")
      .With("connections", left)
      .With("why", absl::StrCat("the limit of open files (ulimit -n) is ",
                                files.rlim_cur));
  return static_cast<int>(left);
}

class Serving {
 public:
  Serving(const ServeFlags& flags, const Devices& devices,
          infer::DirectoryOptions directory,
          const std::optional<ocr::ReaderOptions>& ocr,
          std::unique_ptr<worker::Spawner> spawner,
          std::unique_ptr<telemetry::TraceExporter> traces)
      : flags_(flags),
        devices_(devices),
        budget_(static_cast<size_t>(flags.max_inflight_bytes)),
        spawner_(std::move(spawner)),
        traces_(std::move(traces)),
        telemetry_(&registry_),
        backend_(&loop_, spawner_.get(), WorkerOptions()),
        models_(std::make_unique<infer::ModelDirectory>(
            &loop_, &backend_, &telemetry_, std::move(directory))),
        ocr_(ocr ? std::make_unique<ocr::Repository>(
                       models_.get(),
                       std::make_shared<ocr::Reader>(
                           &loop_, models_.get(), &budget_, &registry_, *ocr))
                 : nullptr),
        core_(Models(), &registry_, &budget_, CoreOptions()),
        rest_(&loop_, &core_, RestOptions()),
        grpc_service_(&loop_, &core_,
                      {std::string(rest::kServerName),
                       std::string(rest::kServerVersion)}) {
    spawner_->Attach(&loop_, [this] { OnSpawnerLost(); });
  }

  ~Serving() {
    models_.reset();
    spawner_->Detach();
  }

  absl::Status Bind() {
    http::Server::Options options = flags_.Http();
    auto grpc_options = flags_.Grpc();
    options.max_connections =
        AffordableConnections(options.max_connections, grpc_options ? 2 : 1);
    auto http = http::Server::Bind(options, &loop_, &budget_);
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
    if (!grpc_options) return absl::OkStatus();
    grpc_options->max_connections = options.max_connections;
    auto grpc = grpc::Server::Bind(*grpc_options, &loop_, &budget_);
    if (!grpc.ok()) return grpc.status();
    grpc_ = *std::move(grpc);
    return absl::OkStatus();
  }

  int Run(base::Signals* signals) {
    AddMetrics();
    base::Watch watch(&loop_, signals->fd(), [this, signals](bool, bool) {
      for (uint64_t left = signals->Take(); left > 0; --left) OnSignal();
    });
    watch.Want(/*read=*/true, /*write=*/false);
    models_->Start([this](const absl::Status& settled) {
      const auto index = models_->Index();
      if (!settled.ok() && (flags_.exit_on_error || index.empty())) {
        failure_ = settled;
        return loop_.Stop();
      }
      Log(LogLevel::kInfo, "ready")
          .With("models", index.size())
          .With("start_seconds", Seconds());
    });
    absl::Status listens = http_->Listen(&rest_);
    if (listens.ok() && grpc_) listens = grpc_->Listen(&grpc_service_);
    if (!listens.ok()) return CannotServe(listens);
    Log(LogLevel::kInfo, "listening")
        .With("host", http_->host())
        .With("port", http_->port())
        .With("grpc_port", grpc_ != nullptr ? grpc_->port() : -1)
        .With("start_seconds", Seconds())
        .With("version", rest::kServerVersion)
        .With("paddle_version", engine::PaddleVersion());
    loop_.Run();
    models_.reset();  // whoever waits for one is answered
    if (traces_ != nullptr) traces_->Stop(kTracesEnd);
    if (!failure_.ok()) return CannotServe(failure_);
    if (cut_ > 0) {
      Log(LogLevel::kError, "stopped before every request was answered")
          .With("abandoned", cut_);
    } else {
      Log(LogLevel::kInfo, "stopped");
    }
    base::LogStop(kLogEnd);
    return cut_ > 0 ? 1 : 0;
  }

 private:
  infer::Repository* Models() const {
    if (ocr_ != nullptr) return ocr_.get();
    return models_.get();
  }

  infer::CoreOptions CoreOptions() const {
    infer::CoreOptions options = flags_.Core();
    options.tracer = traces_.get();
    return options;
  }

  rest::Options RestOptions() const {
    rest::Options options;
    options.max_json_bytes = static_cast<size_t>(flags_.max_json_bytes);
    options.cors_origins = flags_.cors_origins;
    options.max_body_bytes = static_cast<size_t>(flags_.max_request_bytes);
    return options;
  }

  worker::ProcessOptions WorkerOptions() {
    worker::ProcessOptions options = flags_.Workers(devices_);
    options.budget = &budget_;
    return options;
  }

  double Seconds() const { return base::Seconds(base::Clock::now() - start_); }

  void OnSignal() {
    // Nothing was ever served: there is nothing to finish.
    if (!models_->ready()) return loop_.Stop();
    core_.BeginDrain();
    const auto done = [this](int cut) {
      cut_ += cut;
      if (--draining_ == 0) loop_.Stop();
    };
    // A second signal is told to both, and forgets its own `done`.
    if (draining_ == 0) draining_ = grpc_ != nullptr ? 2 : 1;
    http_->Drain(done);
    if (grpc_ != nullptr) grpc_->Drain(done);
  }

  // By the kernel, for want of memory, or by a person. A process with threads
  // cannot fork another one, so whatever started this one starts it again.
  void OnSpawnerLost() {
    failure_ = absl::InternalError(
        "the process that starts the models' workers has ended, and all of "
        "them with it: it was killed, by hand or for want of memory; start the "
        "server again");
    loop_.Stop();
  }

  void AddMetrics() {
    const auto count = [this](const char* name, const char* help,
                              uint64_t http::Counts::* number) {
      registry_.AddReadCounter(name, help, [this, number] {
        const uint64_t of_grpc = grpc_ != nullptr ? grpc_->counts().*number : 0;
        return static_cast<double>(http_->counts().*number + of_grpc);
      });
    };
    count("paddle_server_connections_total", "Connections taken.",
          &http::Counts::accepted);
    count("paddle_server_connections_turned_away_total",
          "Connections that got 503 or nothing, as there were too many.",
          &http::Counts::turned_away);
    count("paddle_server_connections_failed_total",
          "Connections that ended for want of memory.", &http::Counts::failed);
    count("paddle_server_accept_errors_total",
          "Times that no connection could be taken, mostly for want of file "
          "descriptors.",
          &http::Counts::accept_errors);
    registry_.AddReadCounter(
        "paddle_server_tensor_bytes_copied_total",
        "Bytes of tensors that this process copied between clients and models.",
        [] {
          return static_cast<double>(
              base::copied_tensor_bytes.load(std::memory_order_relaxed));
        });
    auto& inflight = registry_.AddGauge(
        "paddle_server_inflight_requests",
        "Requests of all kinds that have begun to come and are not answered, "
        "this one included.",
        {"protocol"});
    gauges_ = {
        inflight.With({"http"}, [this] { return http_->inflight(); }),
        inflight.With(
            {"grpc"},
            [this] { return grpc_ != nullptr ? grpc_->inflight() : 0; }),
        registry_.AddGauge("paddle_server_connections", "Open connections.", {})
            .With({},
                  [this] {
                    return http_->connections() +
                           (grpc_ != nullptr ? grpc_->connections() : 0);
                  }),
        registry_
            .AddGauge("paddle_server_inflight_bytes",
                      "Bytes of requests and answers that are held.", {})
            .With({}, [this] { return static_cast<double>(budget_.held()); }),
        registry_
            .AddGauge("paddle_server_inflight_bytes_max",
                      "What may be held, --max_inflight_bytes.", {})
            .With({}, [this] { return static_cast<double>(budget_.limit()); }),
        registry_
            .AddGauge("paddle_server_info",
                      "1, with the versions and the device as labels.",
                      {"version", "paddle_version", "device"})
            .With({std::string(rest::kServerVersion), engine::PaddleVersion(),
                   devices_.Name()},
                  [] { return 1.0; })};
    registry_.AddReadCounter(
        "paddle_server_log_lines_dropped_total",
        "Log lines lost because nobody read them in time.",
        [] { return static_cast<double>(base::LogLinesDropped()); });
    if (traces_ != nullptr) {
      registry_.AddReadCounter("paddle_server_trace_spans_sent_total",
                               "Spans that the collector took.", [this] {
                                 return static_cast<double>(traces_->sent());
                               });
      registry_.AddReadCounter(
          "paddle_server_trace_spans_dropped_total",
          "Spans lost because the collector did not take them in time.",
          [this] { return static_cast<double>(traces_->dropped()); });
    }
    if (!devices_.gpus.empty()) gpu_metrics_ = telemetry::GpuMetrics::Start({});
    if (gpu_metrics_ != nullptr) {
      registry_.AddCollector([this] { return gpu_metrics_->Read(); });
    }
    registry_.AddCollector([this] { return process_metrics_.Read(); });
  }

  const ServeFlags flags_;
  const Devices devices_;
  const base::Clock::time_point start_ = base::Clock::now();
  base::ByteBudget budget_;  // outlives whatever the loop still holds
  const std::unique_ptr<worker::Spawner> spawner_;
  const std::unique_ptr<telemetry::TraceExporter> traces_;  // nullptr: off
  base::Loop loop_;
  base::Registry registry_;
  base::ProcessMetrics process_metrics_;
  std::unique_ptr<telemetry::GpuMetrics> gpu_metrics_;  // nullptr: no GPUs
  Telemetry telemetry_;
  worker::ProcessBackend backend_;
  std::unique_ptr<infer::ModelDirectory> models_;
  const std::unique_ptr<ocr::Repository> ocr_;  // nullptr: there is none
  infer::Core core_;
  rest::Handler rest_;
  std::unique_ptr<http::Server> http_;
  grpc::Service grpc_service_;
  std::unique_ptr<grpc::Server> grpc_;  // nullptr: not served
  std::vector<std::shared_ptr<base::Gauge>> gauges_;
  absl::Status failure_;
  int draining_ = 0;  // servers that still have something to answer
  int cut_ = 0;
};

int ServeModels(const ServeFlags& flags) {
  const auto signals = PrepareProcess();
  if (!signals.ok()) return CannotServe(signals.status());
  auto directory = flags.Directory();
  if (!directory.ok()) return CannotServe(directory.status());
  const auto ocr = flags.Ocr();
  if (!ocr.ok()) return CannotServe(ocr.status());
  // Before there are threads, and before there is a socket that it would keep.
  auto spawner =
      worker::Spawner::Start(worker::RunModel, flags.worker_memory_mb);
  if (!spawner.ok()) return CannotServe(spawner.status());
  if (absl::Status status = base::LogStart(); !status.ok()) {
    return CannotServe(status);
  }
  const auto devices =
      ChooseDevices(flags.device.device, engine::BuiltWithCuda());
  if (!devices.ok()) return CannotServe(devices.status());
  auto traces = telemetry::StartTraces(flags.otlp_endpoint, getenv);
  if (!traces.ok()) return CannotServe(traces.status());
  Serving serving(flags, *devices, *std::move(directory), *ocr,
                  *std::move(spawner), *std::move(traces));
  if (absl::Status status = serving.Bind(); !status.ok()) {
    return CannotServe(status);
  }
  Log(LogLevel::kInfo, "device")
      .With("device", devices->Name())
      .With("why", devices->why);
  return serving.Run(signals->get());
}

}  // namespace

Command AddServe(CLI::App* program) {
  CLI::App* app = program->add_subcommand(
      "serve",
      "Serves models over HTTP, Open Inference Protocol v2, and /metrics.");
  const auto flags = std::make_shared<ServeFlags>();
  const auto config = std::make_shared<Config>();
  flags->Register(app);
  config->Register(app);
  return {app, [flags, config] {
            const absl::Status filled =
                config->Fill(EnvironmentOf("self"), Config::Unknown::kError);
            if (!filled.ok()) return WrongUsage(filled, "serve");
            if (config->print()) {
              std::fputs(config->Text().c_str(), stdout);
              return 0;
            }
            base::SetLogLevel(flags->log_level);
            return ServeModels(*flags);
          }};
}

}  // namespace server
