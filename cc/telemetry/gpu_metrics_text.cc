// Writes what Prometheus gets of GPUs, once the driver has answered: of a
// library that plays it, for tests of who reads the metrics.
#include <chrono>
#include <cstdio>
#include <thread>

#include "cc/base/metrics_format.h"
#include "cc/telemetry/gpu_metrics.h"

int main() {
  const auto metrics = telemetry::GpuMetrics::Start({});
  if (metrics == nullptr) return 1;
  base::FamilySamples read;
  while ((read = metrics->Read()).empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::fputs(base::WriteMetrics(base::MetricsFormat::kText, read).c_str(),
             stdout);
}
