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
  explicit State(std::unique_ptr<Nvml> given) : nvml(std::move(given)) {}

  const std::unique_ptr<Nvml> nvml;  // of the thread

  absl::Mutex mutex;
  bool stop ABSL_GUARDED_BY(mutex) = false;
  bool wanted ABSL_GUARDED_BY(mutex) = true;
  bool reading ABSL_GUARDED_BY(mutex) = false;
  std::vector<GpuReading> last ABSL_GUARDED_BY(mutex);
  std::optional<Clock::time_point> read ABSL_GUARDED_BY(mutex);

  void Run();
};

void GpuMetrics::State::Run() {
  bool failing = false;
  while (true) {
    {
      absl::MutexLock lock(&mutex);
      const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) {
        return stop || wanted;
      };
      mutex.Await(absl::Condition(&due));
      if (stop) return;
      wanted = false;
      reading = true;
    }
    auto readings = nvml->Read();
    if (readings.ok() == failing) {
      failing = !readings.ok();
      if (failing) {
        base::Log(base::LogLevel::kWarning, "GPUs cannot be read")
            .With("why", readings.status().message());
      }
    }
    absl::MutexLock lock(&mutex);
    reading = false;
    if (!readings.ok()) continue;
    last = *std::move(readings);
    read = Clock::now();
  }
}

std::unique_ptr<GpuMetrics> GpuMetrics::Start(const Options& options) {
  auto nvml = Nvml::Open();
  if (!nvml.ok()) return nullptr;
  const auto state = std::make_shared<State>(*std::move(nvml));
  std::thread thread = base::StartThread([state] { state->Run(); });
  if (!thread.joinable()) return nullptr;
  thread.detach();
  return std::unique_ptr<GpuMetrics>(new GpuMetrics(options, state));
}

GpuMetrics::GpuMetrics(const Options& options, std::shared_ptr<State> state)
    : options_(options), state_(std::move(state)) {}

GpuMetrics::~GpuMetrics() {
  absl::MutexLock lock(&state_->mutex);
  state_->stop = true;
}

base::FamilySamples GpuMetrics::Read() {
  State& state = *state_;
  absl::MutexLock lock(&state.mutex);
  // Whoever still reads was asked at an earlier time, and may hang.
  if (!state.reading) {
    state.wanted = true;
    const auto done = [&state]() ABSL_SHARED_LOCKS_REQUIRED(state.mutex) {
      return !state.wanted && !state.reading;
    };
    state.mutex.AwaitWithTimeout(absl::Condition(&done),
                                 absl::FromChrono(options_.wait));
  }
  if (!state.read || Clock::now() - *state.read > options_.oldest) return {};
  return Families(state.last);
}

}  // namespace telemetry
