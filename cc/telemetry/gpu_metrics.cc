#include "cc/telemetry/gpu_metrics.h"

#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cc/base/log.h"
#include "cc/base/thread.h"
#include "cc/telemetry/nvml.h"

namespace telemetry {
namespace {

using base::Clock;

base::FamilySamples Families(const std::vector<GpuReading>& readings) {
  constexpr struct {
    const char* name;
    const char* help;
    std::optional<double> GpuReading::* value;
  } kFamilies[] = {
      {"paddle_server_gpu_utilization_ratio",
       "Share of the last moments in which a GPU computed.",
       &GpuReading::utilization},
      {"paddle_server_gpu_memory_used_bytes",
       "Memory of a GPU that is taken, by all processes.",
       &GpuReading::memory_used},
      {"paddle_server_gpu_memory_max_bytes", "Memory of a GPU.",
       &GpuReading::memory_total},
      {"paddle_server_gpu_temperature_celsius", "Temperature of a GPU.",
       &GpuReading::temperature},
      {"paddle_server_gpu_power_watts", "Power that a GPU draws.",
       &GpuReading::power},
  };
  base::FamilySamples families;
  for (const auto& [name, help, value] : kFamilies) {
    base::FamilySample& family = families.emplace_back();
    family.name = name;
    family.help = help;
    family.type = base::MetricType::kGauge;
    family.labels = {"gpu", "uuid", "name"};
    for (const GpuReading& reading : readings) {
      if (!(reading.*value)) continue;
      family.samples.push_back({{reading.number, reading.uuid, reading.name},
                                *(reading.*value),
                                {}});
    }
  }
  return families;
}

}  // namespace

struct GpuMetrics::State {
  State(std::unique_ptr<Nvml> nvml, const Options& options)
      : nvml(std::move(nvml)), options(options) {}

  const std::unique_ptr<Nvml> nvml;  // of the thread
  const Options options;

  absl::Mutex mutex;
  bool stop ABSL_GUARDED_BY(mutex) = false;
  std::vector<GpuReading> last ABSL_GUARDED_BY(mutex);
  std::optional<Clock::time_point> read ABSL_GUARDED_BY(mutex);

  void Run();
};

void GpuMetrics::State::Run() {
  bool failing = false;
  while (true) {
    auto readings = nvml->Read();
    if (readings.ok() == failing) {
      failing = !readings.ok();
      if (failing) {
        base::Log(base::LogLevel::kWarning, "GPUs cannot be read")
            .With("why", readings.status().message());
      }
    }
    absl::MutexLock lock(&mutex);
    if (readings.ok()) {
      last = *std::move(readings);
      read = Clock::now();
    }
    if (mutex.AwaitWithTimeout(absl::Condition(&stop),
                               absl::FromChrono(options.pause))) {
      return;
    }
  }
}

std::unique_ptr<GpuMetrics> GpuMetrics::Start(const Options& options) {
  auto nvml = Nvml::Open();
  if (!nvml.ok()) return nullptr;
  const auto state = std::make_shared<State>(*std::move(nvml), options);
  std::thread thread = base::StartThread([state] { state->Run(); });
  if (!thread.joinable()) return nullptr;
  thread.detach();
  return std::unique_ptr<GpuMetrics>(new GpuMetrics(state));
}

GpuMetrics::GpuMetrics(std::shared_ptr<State> state)
    : state_(std::move(state)) {}

GpuMetrics::~GpuMetrics() {
  absl::MutexLock lock(&state_->mutex);
  state_->stop = true;
}

base::FamilySamples GpuMetrics::Read() const {
  State& state = *state_;
  absl::MutexLock lock(&state.mutex);
  if (!state.read || Clock::now() - *state.read > state.options.oldest)
    return {};
  return Families(state.last);
}

}  // namespace telemetry
