#include "cc/server/service.h"

#include <utility>

#include "cc/server/validate.h"

namespace server {
namespace {

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Service::Service(const ModelRepository* repository, Registry* registry,
                 int64_t max_batch_size)
    : repository_(repository), max_batch_size_(max_batch_size) {
  auto& queue = registry->AddHistogram(
      "paddle_server_queue_duration_seconds",
      "Time that requests waited for an instance.", {"model", "version"});
  auto& compute = registry->AddHistogram(
      "paddle_server_compute_duration_seconds",
      "Time that requests took in the engine.", {"model", "version"});
  auto& rejected = registry->AddCounter(
      "paddle_server_rejected_total",
      "Requests turned away: the queue was full, or the server shut down.",
      {"model", "version", "reason"});
  for (const Model* model : repository->All()) {
    const std::string& name = model->info().name;
    const std::string& version = model->info().version;
    series_[model] = {&queue.With({name, version}),
                      &compute.With({name, version}),
                      &rejected.With({name, version, "queue_full"}),
                      &rejected.With({name, version, "draining"})};
  }
  AddGauge(
      "paddle_server_queue_depth", "Requests that wait for an instance.",
      [](const Model& m) { return m.scheduler().queued(); }, registry);
  AddGauge(
      "paddle_server_queue_capacity", "Requests that may wait for an instance.",
      [](const Model& m) { return m.scheduler().max_queue(); }, registry);
  AddGauge(
      "paddle_server_running", "Requests that an instance computes.",
      [](const Model& m) { return m.scheduler().running(); }, registry);
  for (const Model* model : repository->All()) {
    registry->AddGauge("paddle_server_model_info", "1 for each model served.",
                       {{"model", model->info().name},
                        {"version", model->info().version},
                        {"platform", model->info().platform}},
                       [] { return 1.0; });
  }
}

void Service::AddGauge(const std::string& name, const std::string& help,
                       size_t (*read)(const Model&), Registry* registry) {
  for (const Model* model : repository_->All()) {
    registry->AddGauge(
        name, help,
        {{"model", model->info().name}, {"version", model->info().version}},
        [=] { return static_cast<double>(read(*model)); });
  }
}

absl::Status Service::Infer(const Model& model, InferRequest* request,
                            InferTask::Done done) {
  const Series& series = series_.at(&model);
  if (draining_) {
    series.draining->Add();
    return absl::UnavailableError("the server is shutting down");
  }
  if (absl::Status status = ValidateRequest(model.info(), *request);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          ValidateBatch(model.info(), *request, max_batch_size_);
      !status.ok()) {
    return status;
  }
  InferTask task;
  task.inputs = std::move(request->inputs);
  task.done = [&series, done = std::move(done)](
                  absl::StatusOr<std::vector<engine::Tensor>> results,
                  const Timing& timing) {
    series.queue->Observe(Seconds(timing.queue));
    series.compute->Observe(Seconds(timing.compute));
    done(std::move(results), timing);
  };
  absl::Status status = model.scheduler().Enqueue(std::move(task));
  if (!status.ok()) series.queue_full->Add();
  return status;
}

}  // namespace server
