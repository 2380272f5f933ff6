#include "cc/server/serve_flags.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cc/frontend/rest/cors.h"

namespace server {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kGrpcPort = 8081;  // beside 8080, as KServe's servers have it

// A number with bounds.
void Add(CLI::App* app, const std::string& name, int64_t* value, int64_t min,
         int64_t max, const std::string& help) {
  app->add_option(name, *value, help)->check(CLI::Range(min, max));
}

void AddWhat(ServeFlags* flags, CLI::App* app) {
  app->add_option(
      "--model_repository", flags->model_repository,
      "Directory with NAME/VERSION/model.pdmodel and .pdiparams, or "
      "with one model: these files, or VERSION/ with them.");
  app->add_option("--model_name", flags->model_name,
                  "Name of the one model of such a directory; without it, the "
                  "directory's.");
  Add(app, "--latest_versions", &flags->latest_versions, 0, 1'000'000,
      "Of each model the so many highest versions are served; 0: all.");
  app->add_option("--model_versions", flags->model_versions,
                  "NAME:1,3 serves exactly these versions of a model; once for "
                  "each model.")
      ->take_all()
      ->default_str("");
  Add(app, "--poll_ms", &flags->poll_ms, 0, kHourMs,
      "Time between two looks at the directory: new versions are loaded, those "
      "that are gone are let go; 0: it is looked at once.");
  app->add_option("--exit_on_error", flags->exit_on_error,
                  "1 ends the start if a model cannot be loaded; 0 serves the "
                  "others, and is ready without it.");
  app->add_option("--model_control", flags->model_control,
                  "1 lets clients load and unload models, as Triton's "
                  "repository extension has it.");
}

void AddCompute(ServeFlags* flags, CLI::App* app) {
  flags->model.Register(app);
  flags->device.Register(app);
  Add(app, "--worker_memory_mb", &flags->worker_memory_mb, 0, 1 << 24,
      "Memory that the worker process of each model may take; 0: no bound.");
  Add(app, "--run_timeout_ms", &flags->run_timeout_ms, 0, 24 * kHourMs,
      "A run that takes longer ends the model's worker, which starts again; 0: "
      "none does.");
  Add(app, "--release_after_ms", &flags->release_after_ms, 1, 24 * kHourMs,
      "After so long without a run a model gives back the memory of its runs.");
}

void AddQueue(ServeFlags* flags, CLI::App* app) {
  Add(app, "--max_batch_delay_ms", &flags->max_batch_delay_ms, 0, 10'000,
      "How long a request waits for company while an instance is idle.");
  Add(app, "--max_batch_size", &flags->max_batch_size, 1, 0x7fffffff,
      "Rows that one request may compute, where the model leaves the first "
      "dimension open; more get 400.");
  Add(app, "--max_queue", &flags->max_queue, 1, 1'000'000,
      "Requests that may wait for each model; further ones get 503.");
  Add(app, "--max_queue_bytes", &flags->max_queue_bytes, 1, int64_t{1} << 40,
      "Bytes of inputs that may wait for each model; more get 503.");
  Add(app, "--queue_timeout_ms", &flags->queue_timeout_ms, 0, 24 * kHourMs,
      "A request that waits longer gets 504 and is not computed; 0: none "
      "does. A request's own \"timeout\" (microseconds) may be shorter.");
}

void AddClients(ServeFlags* flags, CLI::App* app) {
  Add(app, "--max_request_bytes", &flags->max_request_bytes, 1,
      int64_t{4} << 30, "Largest body of a request; a larger one gets 413.");
  Add(app, "--max_json_bytes", &flags->max_json_bytes, 1, int64_t{1} << 30,
      "Largest JSON of a request; more gets 413. Binary tensors behind it do "
      "not count.");
  Add(app, "--max_inflight_bytes", &flags->max_inflight_bytes, 1 << 20,
      int64_t{1} << 40, "Bytes of all requests together; beyond them 503.");
  Add(app, "--max_connections", &flags->max_connections, 1, 1'000'000,
      "Connections at the same time; further ones get 503.");
  Add(app, "--idle_timeout_ms", &flags->idle_timeout_ms, 1, kHourMs,
      "Time that a connection is kept without a request; longer than that of "
      "the load balancer before it.");
  Add(app, "--head_timeout_ms", &flags->head_timeout_ms, 1, kHourMs,
      "Time for a new connection's first byte, and from a request's first byte "
      "to the end of its headers; later gets 408.");
  Add(app, "--stall_timeout_ms", &flags->stall_timeout_ms, 1, kHourMs,
      "Time over which a body must arrive, and an answer be taken, at "
      "--min_bytes_per_second; a slower body gets 408, a slower reader is cut "
      "off.");
  Add(app, "--min_bytes_per_second", &flags->min_bytes_per_second, 1,
      1'000'000'000,
      "Least speed of a body and of an answer, see --stall_timeout_ms.");
  app->add_option("--cors_origins", flags->cors_origins,
                  "Origins, as https://app.example.com,http://localhost:3000, "
                  "whose pages a browser lets ask; * is any.")
      ->delimiter(',')
      ->take_all()
      ->check([](const std::string& origin) {
        return std::string(rest::Cors::CheckOrigin(origin).message());
      })
      ->default_str("");
}

void AddEnd(ServeFlags* flags, CLI::App* app) {
  Add(app, "--drain_delay_ms", &flags->drain_delay_ms, 0, kHourMs,
      "After SIGTERM: time in which the server is not ready and serves as "
      "before, so that load balancers learn of it.");
  Add(app, "--drain_timeout_ms", &flags->drain_timeout_ms, 0, kHourMs,
      "After that: time in which what has begun is answered.");
}

void AddTold(ServeFlags* flags, CLI::App* app) {
  app->add_option_function<std::string>(
         "--log_level",
         [flags](const std::string& text) {
           const absl::Status status =
               base::ParseLogLevel(text, &flags->log_level);
           if (!status.ok()) {
             throw CLI::ValidationError("--log_level",
                                        std::string(status.message()));
           }
         },
         "Least level written: debug, info, warning or error.")
      ->default_str("info");
  app->add_option("--access_log_sample", flags->access_log_sample,
                  "The share of successful requests that is logged, from 0 to "
                  "1, chosen by trace id; errors all are.")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--otlp_endpoint", flags->otlp_endpoint,
                  "Collector of OpenTelemetry that traces are sent to, "
                  "http://HOST:4318; without it that of "
                  "OTEL_EXPORTER_OTLP_ENDPOINT, if any.")
      ->default_str("");
  app->add_option("--trace_sample", flags->trace_sample,
                  "The share of traces that is recorded of those that begin "
                  "here, from 0 to 1; others are if their callers' are.")
      ->check(CLI::Range(0.0, 1.0));
}

// What both protocols have.
template <typename Options>
void Fill(const ServeFlags& flags, Options* options) {
  options->host = flags.listen.host;
  options->max_connections = static_cast<int>(flags.max_connections);
  options->timeouts.idle = milliseconds(flags.idle_timeout_ms);
  options->timeouts.head = milliseconds(flags.head_timeout_ms);
  options->timeouts.stall = milliseconds(flags.stall_timeout_ms);
  options->timeouts.min_bytes_per_second = flags.min_bytes_per_second;
  options->drain_delay = milliseconds(flags.drain_delay_ms);
  options->drain_timeout = milliseconds(flags.drain_timeout_ms);
}

}  // namespace

void ServeFlags::Register(CLI::App* app) {
  AddWhat(this, app);
  ocr.Register(app);
  listen.Register(app);
  app->add_option("--grpc_port", grpc_port,
                  "Port to serve gRPC on, at the same --host; 0 takes a free "
                  "one, as does --port 0 without this; -1: gRPC is not served.")
      ->check(CLI::Range(-1, 65535))
      ->default_str(absl::StrCat(kGrpcPort));
  AddCompute(this, app);
  AddQueue(this, app);
  AddClients(this, app);
  AddEnd(this, app);
  AddTold(this, app);
}

http::Server::Options ServeFlags::Http() const {
  http::Server::Options options;
  Fill(*this, &options);
  options.port = static_cast<int>(listen.port);
  options.limits.body_bytes = static_cast<size_t>(max_request_bytes);
  return options;
}

std::optional<grpc::Server::Options> ServeFlags::Grpc() const {
  const int64_t port = grpc_port.value_or(listen.port == 0 ? 0 : kGrpcPort);
  if (port < 0) return std::nullopt;
  grpc::Server::Options options;
  Fill(*this, &options);
  options.port = static_cast<int>(port);
  options.flag = "--grpc_port";
  options.limits.message_bytes = static_cast<size_t>(max_request_bytes);
  return options;
}

absl::StatusOr<std::optional<ocr::ReaderOptions>> ServeFlags::Ocr() const {
  auto options = ocr.Options();
  if (options.ok() && options->has_value()) {
    (*options)->max_queue = static_cast<size_t>(max_queue);
  }
  return options;
}

infer::CoreOptions ServeFlags::Core() const {
  infer::CoreOptions options;
  options.model_control = model_control;
  options.log_share = access_log_sample;
  options.trace_share = trace_sample;
  return options;
}

absl::StatusOr<infer::DirectoryOptions> ServeFlags::Directory() const {
  infer::DirectoryOptions options;
  options.directory = model_repository;
  options.look =
      [flags = *this](
          const std::string& directory) -> absl::StatusOr<infer::Found> {
    auto found = infer::Scan(directory, flags.model_name);
    if (!found.ok()) return found;
    for (auto& [name, versions] : found->models) {
      for (auto& [number, version] : versions) {
        const auto own = flags.model.Of(version.directory);
        version.options =
            own.ok() ? absl::StatusOr<infer::ModelOptions>(flags.Model(*own))
                     : own.status();
      }
    }
    return found;
  };
  options.latest = static_cast<size_t>(latest_versions);
  options.poll = milliseconds(poll_ms);
  for (const std::string& text : model_versions) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(text, absl::MaxSplits(':', 1));
    std::set<uint64_t>& versions = options.versions[parts.first];
    for (absl::string_view version : absl::StrSplit(parts.second, ',')) {
      uint64_t number = 0;
      if (!absl::SimpleAtoi(version, &number) || number == 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("--model_versions=", text,
                         " should be like NAME:1,3, with numbers from 1"));
      }
      versions.insert(number);
    }
  }
  return options;
}

infer::ModelOptions ServeFlags::Model(const ModelFlags& own) const {
  infer::ModelOptions options;
  options.compute = own.Compute();
  options.batching = own.batching;
  options.max_batch_size = max_batch_size;
  options.release_after = milliseconds(release_after_ms);
  options.policy.max_rows = std::min(own.max_batch_rows, max_batch_size);
  options.policy.buckets = infer::Buckets(options.policy.max_rows);
  options.policy.max_delay = milliseconds(max_batch_delay_ms);
  options.policy.max_queue = static_cast<size_t>(max_queue);
  options.policy.max_queue_bytes = static_cast<size_t>(max_queue_bytes);
  options.policy.queue_timeout = milliseconds(queue_timeout_ms);
  return options;
}

worker::ProcessOptions ServeFlags::Workers(const Devices& devices) const {
  worker::ProcessOptions options;
  options.load.gpus = devices.gpus;
  options.load.gpu_memory_mb = static_cast<int>(device.gpu_memory_mb);
  options.run_timeout = milliseconds(run_timeout_ms);
  return options;
}

}  // namespace server
