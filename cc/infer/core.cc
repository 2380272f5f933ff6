#include "cc/infer/core.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/log.h"
#include "cc/infer/batcher.h"
#include "cc/infer/validate.h"

namespace infer {
namespace {

constexpr size_t kMaxMethod = 20;
constexpr size_t kMaxLogged = 500;
constexpr size_t kMaxError = 2000;

int64_t Microseconds(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration)
      .count();
}

base::LogLevel LevelOf(const Access& access) {
  if (access.failed) return base::LogLevel::kWarning;
  // Probes and scrapes come every few seconds and tell nothing.
  return access.routine ? base::LogLevel::kDebug : base::LogLevel::kInfo;
}

bool IsError(const Access& access) {
  return access.failed || !access.error.empty() ||
         access.endpoint == Endpoint::kRefused;
}

}  // namespace

// The series of one servable, or of none, by small numbers.
struct AccessSeries {
  struct One {
    std::shared_ptr<base::Histogram> durations;
    // A handful of codes.
    std::vector<std::pair<int, std::shared_ptr<base::Counter>>> requests;
  };
  One of[kProtocols][kEndpoints];
  std::shared_ptr<base::Counter> draining;
};

absl::string_view NameOf(Protocol protocol) {
  return protocol == Protocol::kHttp ? "http" : "grpc";
}

absl::string_view NameOf(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kServer:
      return "server";
    case Endpoint::kLive:
      return "live";
    case Endpoint::kReady:
      return "ready";
    case Endpoint::kModel:
      return "model";
    case Endpoint::kModelReady:
      return "model_ready";
    case Endpoint::kInfer:
      return "infer";
    case Endpoint::kIndex:
      return "index";
    case Endpoint::kConfig:
      return "config";
    case Endpoint::kStatistics:
      return "statistics";
    case Endpoint::kLoad:
      return "load";
    case Endpoint::kUnload:
      return "unload";
    case Endpoint::kMetrics:
      return "metrics";
    case Endpoint::kPage:
      return "page";
    case Endpoint::kOcr:
      return "ocr";
    case Endpoint::kOcrPage:
      return "ocr_page";
    case Endpoint::kRefused:
      return "refused";
    case Endpoint::kNone:
      break;
  }
  return "none";
}

Core::Core(Repository* repository, base::Registry* registry,
           base::ByteBudget* budget, const CoreOptions& options)
    : repository_(repository),
      registry_(registry),
      budget_(budget),
      model_control_(options.model_control),
      logged_(options.log_share),
      tracer_(options.tracer),
      traced_(options.trace_share),
      requests_(registry->AddCounter(
          "paddle_server_requests_total",
          "Requests answered; model and version are empty where no model was "
          "found.",
          {"protocol", "endpoint", "model", "version", "code"})),
      durations_(registry->AddHistogram(
          "paddle_server_request_duration_seconds",
          "Time from a request's last byte to its answer.",
          {"protocol", "endpoint", "model", "version"},
          base::DurationBounds())),
      rejected_(registry->AddCounter(
          "paddle_server_rejected_total",
          "Requests turned away: the queue was full, or the server shut down.",
          {"model", "version", "reason"})),
      series_(std::make_unique<AccessSeries>()) {}

Core::~Core() = default;

absl::StatusOr<std::shared_ptr<Servable>> Core::Find(
    absl::string_view name, absl::string_view version) const {
  return repository_->Find(name, version);
}

absl::StatusOr<std::vector<std::shared_ptr<Servable>>> Core::FindAll(
    absl::string_view name, absl::string_view version) const {
  std::vector<std::shared_ptr<Servable>> all;
  if (name.empty()) {
    for (const IndexEntry& entry : repository_->Index()) {
      auto found = Find(entry.name, entry.version);
      if (found.ok()) all.push_back(*std::move(found));
    }
    return all;
  }
  // Says what is wrong with the name or the version.
  auto first = Find(name, version);
  if (!first.ok()) return first.status();
  if (!version.empty()) return {{*std::move(first)}};
  for (const std::string& each : repository_->Versions(name)) {
    auto found = Find(name, each);
    if (found.ok()) all.push_back(*std::move(found));
  }
  return all;
}

absl::Status Core::CheckControl() const {
  if (model_control_) return absl::OkStatus();
  return absl::PermissionDeniedError(
      "clients may not load and unload models here: start the server with "
      "--model_control=1");
}

void Core::Infer(const std::shared_ptr<Servable>& servable,
                 std::shared_ptr<Call> call) {
  const ModelInfo& info = servable->info();
  if (closed_) {
    AccessSeries& series = SeriesOf(servable.get());
    if (series.draining == nullptr) {
      series.draining = rejected_.With({info.name, info.version, "draining"});
    }
    series.draining->Add();
    return call->Finish(absl::UnavailableError("the server is shutting down"));
  }
  if (absl::Status status = Validate(info, call->request); !status.ok()) {
    return call->Finish(std::move(status));
  }
  if (IsEmptyBatch(info, call->request)) {
    auto outputs = AnswerEmptyBatch(info, call->request);
    if (!outputs.ok()) return call->Finish(outputs.status());
    return call->Finish(absl::OkStatus(), *std::move(outputs));
  }
  call->timing.rows =
      info.max_batch_size > 0 ? RowsOf(call->request) : int64_t{1};
  servable->Start(std::move(call));
}

AccessSeries& Core::SeriesOf(const Servable* servable) {
  if (servable == nullptr) return *series_;
  if (servable->series_ == nullptr) {
    servable->series_ = std::make_shared<AccessSeries>();
  }
  return *servable->series_;
}

void Core::Record(const Access& access) {
  const Clock::duration duration = Clock::now() - access.start;
  const bool logs = Logs(access);
  base::TraceContext trace;
  if (logs || tracer_ != nullptr) {
    trace =
        base::TraceContext::Of(access.caller != nullptr ? access.caller->Trace()
                                                        : base::TraceParent());
  }
  const bool traced = tracer_ != nullptr && Traces(access, trace);
  Count(access, duration, trace, traced);
  if (access.servable != nullptr && access.endpoint == Endpoint::kInfer) {
    Account(access, duration, &access.servable->statistics_);
  }
  if (logs) Write(access, duration, trace);
  if (traced) tracer_->OnRequest(access, duration, trace);
}

// As OpenTelemetry's ParentBased(TraceIdRatioBased).
bool Core::Traces(const Access& access, const base::TraceContext& trace) const {
  if (access.endpoint == Endpoint::kRefused) return false;
  if (trace.parent.valid()) return trace.parent.sampled();
  return !access.routine && traced_.Has(trace.trace);
}

void Core::Count(const Access& access, Clock::duration duration,
                 const base::TraceContext& trace, bool traced) {
  AccessSeries::One& one = SeriesOf(access.servable.get())
                               .of[static_cast<size_t>(access.protocol)]
                                  [static_cast<size_t>(access.endpoint)];
  base::Counter* counter = nullptr;
  for (const auto& [code, requests] : one.requests) {
    if (code == access.code) counter = requests.get();
  }
  if (counter == nullptr) {
    const ModelInfo* info =
        access.servable != nullptr ? &access.servable->info() : nullptr;
    base::LabelValues labels = {std::string(NameOf(access.protocol)),
                                std::string(NameOf(access.endpoint)),
                                info != nullptr ? info->name : "",
                                info != nullptr ? info->version : ""};
    if (one.durations == nullptr) one.durations = durations_.With(labels);
    labels.push_back(absl::StrCat(access.code));
    counter = one.requests.emplace_back(access.code, requests_.With(labels))
                  .second.get();
  }
  counter->Add();
  if (access.endpoint == Endpoint::kRefused) return;
  if (traced) {
    one.durations->Observe(base::Seconds(duration), trace.trace);
  } else {
    one.durations->Observe(base::Seconds(duration));
  }
}

void Core::Account(const Access& access, Clock::duration duration,
                   Statistics* statistics) {
  (access.error.empty() ? statistics->success : statistics->failure)
      .Add(duration);
  const Timing* const timing = access.timing;
  if (!access.error.empty() || timing == nullptr || timing->batch_calls == 0) {
    return;
  }
  statistics->last = std::chrono::system_clock::now();
  statistics->rows += static_cast<uint64_t>(timing->rows);
  statistics->decode.Add(timing->arrival - access.start);
  statistics->queue.Add(timing->queue);
  statistics->compute.Add(timing->compute);
  statistics->encode.Add(access.start + duration - timing->finished);
}

bool Core::Logs(const Access& access) const {
  return base::LogEnabled(LevelOf(access)) &&
         (IsError(access) || !logged_.none());
}

void Core::Write(const Access& access, Clock::duration duration,
                 const base::TraceContext& trace) {
  const base::LogLevel level = LevelOf(access);
  if (access.endpoint == Endpoint::kRefused) {
    base::Log(level, "refused")
        .With("status", access.code)
        .With("error", access.error, kMaxError);
    return;
  }
  if (!IsError(access) && !logged_.Has(trace.trace)) return;
  base::Log line(level, "request");
  line.With("method", access.method, kMaxMethod)
      .With("path", access.path, kMaxLogged)
      .With("status", access.code)
      .With("bytes_in", access.bytes_in)
      .With("bytes_out", access.bytes_out)
      .With("duration_us", Microseconds(duration));
  if (access.servable != nullptr) {
    line.With("model", access.servable->info().name)
        .With("version", access.servable->info().version);
  }
  if (!access.id.empty()) line.With("id", access.id, kMaxLogged);
  if (access.caller != nullptr && !access.caller->request_id().empty()) {
    line.With("request_id", access.caller->request_id());
  }
  line.With("trace_id", trace.trace.Hex());
  if (access.timing != nullptr && access.timing->batch_calls > 0) {
    line.With("queue_us", Microseconds(access.timing->queue))
        .With("compute_us", Microseconds(access.timing->compute))
        .With("rows", access.timing->rows)
        .With("batch_rows", access.timing->batch_rows);
  }
  if (!access.error.empty()) line.With("error", access.error, kMaxError);
}

bool Core::ready() const {
  return !draining_ && !closed_ && repository_->ready();
}

absl::string_view Core::not_ready_reason() const {
  return draining_ || closed_ ? "the server is shutting down"
                              : "models are being loaded";
}

absl::Status Core::Ready(const Servable& servable) const {
  if (draining()) return absl::UnavailableError(not_ready_reason());
  return servable.Ready();
}

}  // namespace infer
