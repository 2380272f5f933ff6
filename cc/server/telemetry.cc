#include "cc/server/telemetry.h"

#include <utility>
#include <vector>

#include "cc/base/clock.h"
#include "cc/base/cpu_engine.h"
#include "cc/base/log.h"

namespace server {
namespace {

using base::Counter;
using base::Family;
using base::Gauge;
using base::Histogram;
using base::Log;
using base::LogLevel;
using base::Seconds;

// Batches beyond are rare, and counted in the last bucket.
constexpr double kMaxBatch = 256;

const std::vector<std::string>& ModelLabels() {
  static const auto* const labels =
      new std::vector<std::string>{"model", "version"};
  return *labels;
}

}  // namespace

struct Telemetry::Families {
  explicit Families(base::Registry* registry)
      : queue(
            registry->AddHistogram("paddle_server_queue_duration_seconds",
                                   "Time that requests waited for an instance.",
                                   ModelLabels(), base::DurationBounds())),
        compute(registry->AddHistogram(
            "paddle_server_compute_duration_seconds",
            "Time that runs of batches took in the engine.", ModelLabels(),
            base::DurationBounds())),
        batch_rows(registry->AddHistogram(
            "paddle_server_batch_rows",
            "Rows that were computed together, without padding.", ModelLabels(),
            base::PowersOfTwo(kMaxBatch))),
        batch_requests(registry->AddHistogram(
            "paddle_server_batch_requests",
            "Requests that were computed together.", ModelLabels(),
            base::PowersOfTwo(kMaxBatch))),
        padding(registry->AddCounter("paddle_server_padding_rows_total",
                                     "Rows that batches were padded with.",
                                     ModelLabels())),
        rejected(registry->AddCounter(
            "paddle_server_rejected_total",
            "Requests turned away: the queue was full, or the server shut "
            "down.",
            {"model", "version", "reason"})),
        ended(registry->AddCounter(
            "paddle_server_worker_ends_total",
            "Worker processes of a model that ended by themselves: crashes, "
            "and runs or memory beyond their limits.",
            ModelLabels())),
        loads(registry->AddCounter("paddle_server_model_loads_total",
                                   "Loads of a model, by their outcome.",
                                   {"model", "version", "outcome"})),
        queue_depth(registry->AddGauge("paddle_server_queue_depth",
                                       "Requests that wait for an instance.",
                                       ModelLabels())),
        queue_capacity(registry->AddGauge(
            "paddle_server_queue_capacity",
            "Requests that may wait for an instance.", ModelLabels())),
        running(registry->AddGauge("paddle_server_running",
                                   "Instances that compute.", ModelLabels())),
        up(registry->AddGauge(
            "paddle_server_model_up",
            "1 while a model's worker process runs, 0 while it starts again.",
            ModelLabels())),
        info(registry->AddGauge("paddle_server_model_info",
                                "1 for each model served.",
                                {"model", "version", "platform"})) {}

  Family<Histogram>& queue;
  Family<Histogram>& compute;
  Family<Histogram>& batch_rows;
  Family<Histogram>& batch_requests;
  Family<Counter>& padding;
  Family<Counter>& rejected;
  Family<Counter>& ended;
  Family<Counter>& loads;
  Family<Gauge>& queue_depth;
  Family<Gauge>& queue_capacity;
  Family<Gauge>& running;
  Family<Gauge>& up;
  Family<Gauge>& info;
  // A model that failed is gone, and its count is not.
  std::map<std::vector<std::string>, std::shared_ptr<Counter>> load_counts;

  void CountLoad(const std::string& model, const std::string& version,
                 const char* outcome) {
    const std::vector<std::string> labels = {model, version, outcome};
    std::shared_ptr<Counter>& count = load_counts[labels];
    if (count == nullptr) count = loads.With(labels);
    count->Add();
  }
};

class Telemetry::Series : public infer::ModelObserver {
 public:
  Series(Families* families, std::string model, std::string version)
      : model_(std::move(model)),
        version_(std::move(version)),
        queue_(families->queue.With({model_, version_})),
        compute_(families->compute.With({model_, version_})),
        batch_rows_(families->batch_rows.With({model_, version_})),
        batch_requests_(families->batch_requests.With({model_, version_})),
        padding_(families->padding.With({model_, version_})),
        rejected_(families->rejected.With({model_, version_, "queue_full"})),
        ended_(families->ended.With({model_, version_})) {}

  void OnRun(int64_t rows, int64_t padded_rows, int64_t calls,
             infer::Clock::duration compute) override {
    compute_->Observe(Seconds(compute));
    batch_rows_->Observe(static_cast<double>(rows));
    batch_requests_->Observe(static_cast<double>(calls));
    if (padded_rows > rows) {
      padding_->Add(static_cast<uint64_t>(padded_rows - rows));
    }
  }
  void OnQueued(infer::Clock::duration waited) override {
    queue_->Observe(Seconds(waited));
  }
  void OnRejected() override { rejected_->Add(); }
  void OnEnded(const std::string& why, infer::Clock::duration again) override {
    ended_->Add();
    Log(LogLevel::kError, "worker ended")
        .With("model", model_)
        .With("version", version_)
        .With("why", why)
        .With("starts_again_seconds", Seconds(again));
  }
  void OnRestarted() override {
    Log(LogLevel::kInfo, "worker started again")
        .With("model", model_)
        .With("version", version_);
  }

 private:
  const std::string model_;
  const std::string version_;
  const std::shared_ptr<Histogram> queue_;
  const std::shared_ptr<Histogram> compute_;
  const std::shared_ptr<Histogram> batch_rows_;
  const std::shared_ptr<Histogram> batch_requests_;
  const std::shared_ptr<Counter> padding_;
  const std::shared_ptr<Counter> rejected_;
  const std::shared_ptr<Counter> ended_;
};

Telemetry::Telemetry(base::Registry* registry)
    : families_(std::make_unique<Families>(registry)) {}

Telemetry::~Telemetry() = default;

std::unique_ptr<infer::ModelObserver> Telemetry::Observe(
    const infer::ModelOptions& options) {
  return std::make_unique<Series>(families_.get(), options.name,
                                  options.version);
}

void Telemetry::OnLoading(const infer::ModelOptions& options, double seconds) {
  Log(LogLevel::kInfo, "model is loading")
      .With("model", options.name)
      .With("version", options.version)
      .With("seconds", seconds);
}

void Telemetry::OnLoaded(const std::shared_ptr<infer::Model>& model,
                         double seconds) {
  const infer::ModelInfo& info = model->info();
  families_->CountLoad(info.name, info.version, "loaded");
  Log(LogLevel::kInfo, "model loaded")
      .With("model", info.name)
      .With("version", info.version)
      .With("seconds", seconds)
      .With("cpu_engine", base::NameOf(model->options().compute.cpu_engine))
      .With("threads", model->options().compute.threads)
      .With("instances", model->options().compute.instances)
      .With("batching", info.batching)
      .With("batching_why", info.batching_reason);

  const std::weak_ptr<infer::Model> weak = model;
  const auto read = [weak](double (*value)(const infer::Model&)) {
    return [weak, value] {
      const auto model = weak.lock();
      return model == nullptr ? 0.0 : value(*model);
    };
  };
  const std::vector<std::string> labels = {info.name, info.version};
  auto& gauges = gauges_[{info.name, info.version}];
  // Those of the load before go first: a series that is held is not made anew.
  gauges.clear();
  gauges = {
      families_->queue_depth.With(labels, read([](const infer::Model& m) {
                                    return static_cast<double>(m.queued());
                                  })),
      families_->queue_capacity.With(labels, read([](const infer::Model& m) {
                                       return static_cast<double>(
                                           m.max_queue());
                                     })),
      families_->running.With(labels, read([](const infer::Model& m) {
                                return static_cast<double>(m.running());
                              })),
      families_->up.With(labels, read([](const infer::Model& m) {
                           return m.Ready().ok() ? 1.0 : 0.0;
                         })),
      families_->info.With({info.name, info.version, info.platform},
                           [] { return 1.0; })};
}

void Telemetry::OnFailed(const infer::ModelOptions& options,
                         const absl::Status& status) {
  families_->CountLoad(options.name, options.version, "failed");
  Log(LogLevel::kError, "model failed to load")
      .With("model", options.name)
      .With("version", options.version)
      .With("error", status.message());
}

void Telemetry::OnUnloaded(const infer::ModelInfo& info) {
  gauges_.erase({info.name, info.version});
  Log(LogLevel::kInfo, "model unloaded")
      .With("model", info.name)
      .With("version", info.version);
}

void Telemetry::OnPassedOver(const std::string& why) {
  Log(LogLevel::kWarning, "passed over").With("why", why);
}

void Telemetry::OnScanFailed(const absl::Status& status) {
  Log(LogLevel::kError, "cannot look for models")
      .With("error", status.message());
}

}  // namespace server
