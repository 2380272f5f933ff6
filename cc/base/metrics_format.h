// Metrics as they were at one moment, and how they are written: Prometheus'
// text (format 0.0.4), OpenMetrics 1.0, and io.prometheus.client.MetricFamily,
// the one that carries native histograms.
// https://prometheus.io/docs/instrumenting/exposition_formats/
// https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
#ifndef CC_BASE_METRICS_FORMAT_H_
#define CC_BASE_METRICS_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "cc/base/trace_context.h"

namespace base {

enum class MetricType { kCounter, kGauge, kHistogram };

// An observation and the trace that it was made in.
struct Exemplar {
  TraceId trace;  // not valid: there is no exemplar
  double value = 0;
  double time = 0;  // seconds since 1970
};

struct HistogramSample {
  std::vector<double> bounds;       // upper ones, without +Inf
  std::vector<uint64_t> buckets;    // one more than bounds; each by itself
  std::vector<Exemplar> exemplars;  // by bucket, or none at all
  double sum = 0;
  // The same observations in buckets that grow by 2^(1/8) each (schema 3):
  // native[i] is that up to 2^((native_first + i) / 8).
  int native_first = 0;
  std::vector<uint64_t> native;
  uint64_t zero = 0;  // up to zero_threshold
  double zero_threshold = 0;
};

struct Sample {
  std::vector<std::string> labels;  // values, one for each name
  double value = 0;                 // of counters and gauges
  std::optional<HistogramSample> histogram;
};

struct FamilySample {
  std::string name;
  std::string help;
  MetricType type;
  std::vector<std::string> labels;
  std::vector<Sample> samples;
};
using FamilySamples = std::vector<FamilySample>;

enum class MetricsFormat { kText, kOpenMetrics, kProtobuf };

absl::string_view ContentType(MetricsFormat format);
// Families without samples are left out.
std::string WriteMetrics(MetricsFormat format, const FamilySamples& families);

}  // namespace base

#endif  // CC_BASE_METRICS_FORMAT_H_
