// Writes a page of all kinds of metrics, for a parser that is not ours; with an
// argument as OpenMetrics.
#include <cstdio>
#include <limits>

#include "cc/base/metrics.h"
#include "cc/base/process_metrics.h"

int main(int argc, char**) {
  base::Registry registry;
  base::ProcessMetrics process;
  const auto strange =
      registry.AddCounter("c_total", "Line\nback\\slash.", {"l", "m"})
          .With({"a\"b\\c\nd", ""});
  strange->Add(3);
  auto& gauges = registry.AddGauge("g", "A gauge.", {"m"});
  const auto one = gauges.With({"1"}, [] { return 2.5; });
  const auto infinite = gauges.With(
      {"2"}, [] { return std::numeric_limits<double>::infinity(); });
  const auto seconds =
      registry.AddHistogram("h_seconds", "Time.", {"m"}, base::DurationBounds())
          .With({"1"});
  for (const double value : {0.00005, 0.3, 100.0}) seconds->Observe(value);
  seconds->Observe(0.02, base::TraceId{1, 2});
  registry.AddReadCounter("read_total", "Read.", [] { return 1e20; });
  registry.AddCollector([&] { return process.Read(); });
  const auto format =
      argc > 1 ? base::MetricsFormat::kOpenMetrics : base::MetricsFormat::kText;
  std::fputs(base::WriteMetrics(format, registry.Read()).c_str(), stdout);
}
