#include "cc/base/metrics_format.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "cc/base/json.h"
#include "cc/base/wire.h"

namespace base {
namespace {

constexpr int kSchema = 3;

void AppendNumber(double value, std::string* out) {
  if (AppendJsonNumber(value, out)) return;
  out->append(std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
}

absl::string_view NameOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      break;
  }
  return "histogram";
}

// ---- Text

class TextWriter {
 public:
  explicit TextWriter(bool open_metrics) : open_metrics_(open_metrics) {}

  void Family(const FamilySample& family) {
    // In OpenMetrics a counter's family is called without what its samples
    // end in.
    absl::string_view name = family.name;
    if (open_metrics_ && family.type == MetricType::kCounter) {
      absl::ConsumeSuffix(&name, "_total");
    }
    absl::StrAppend(
        &out_, "# HELP ", name, " ",
        open_metrics_
            ? Escaped(family.help)
            : absl::StrReplaceAll(family.help, {{"\\", "\\\\"}, {"\n", "\\n"}}),
        "\n# TYPE ", name, " ", NameOf(family.type), "\n");
    for (const Sample& sample : family.samples) {
      const std::string labels = Labels(family.labels, sample.labels);
      if (sample.histogram) {
        Histogram(family.name, labels, *sample.histogram);
      } else {
        Line(family.name, "", labels, sample.value);
      }
    }
  }

  std::string Done() && {
    if (open_metrics_) out_.append("# EOF\n");
    return std::move(out_);
  }

 private:
  static std::string Escaped(absl::string_view text) {
    return absl::StrReplaceAll(text,
                               {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}});
  }

  // name="value",... without braces, so that `le` can follow.
  static std::string Labels(const std::vector<std::string>& names,
                            const std::vector<std::string>& values) {
    std::string out;
    for (size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
      absl::StrAppend(&out, i == 0 ? "" : ",", names[i], "=\"",
                      Escaped(values[i]), "\"");
    }
    return out;
  }

  void Line(absl::string_view name, absl::string_view suffix,
            absl::string_view labels, double value) {
    absl::StrAppend(&out_, name, suffix);
    if (!labels.empty()) absl::StrAppend(&out_, "{", labels, "}");
    out_.push_back(' ');
    AppendNumber(value, &out_);
    out_.push_back('\n');
  }

  // "0.0001" and "1048576", in OpenMetrics "1048576.0": bounds are compared as
  // text by those who query.
  std::string Bound(double bound) const {
    if (bound != std::floor(bound) || bound >= 1e15) return absl::StrCat(bound);
    return absl::StrCat(static_cast<int64_t>(bound), open_metrics_ ? ".0" : "");
  }

  void Histogram(absl::string_view name, absl::string_view labels,
                 const HistogramSample& histogram) {
    uint64_t count = 0;
    for (size_t i = 0; i < histogram.buckets.size(); ++i) {
      count += histogram.buckets[i];
      absl::StrAppend(
          &out_, name, "_bucket{", labels, labels.empty() ? "" : ",", "le=\"",
          i < histogram.bounds.size() ? Bound(histogram.bounds[i]) : "+Inf",
          "\"} ", count);
      if (open_metrics_ && i < histogram.exemplars.size() &&
          histogram.exemplars[i].trace.valid()) {
        const Exemplar& exemplar = histogram.exemplars[i];
        absl::StrAppend(&out_, " # {trace_id=\"", exemplar.trace.Hex(), "\"} ");
        AppendNumber(exemplar.value, &out_);
        absl::StrAppendFormat(&out_, " %.3f", exemplar.time);
      }
      out_.push_back('\n');
    }
    Line(name, "_sum", labels, histogram.sum);
    Line(name, "_count", labels, static_cast<double>(count));
  }

  const bool open_metrics_;
  std::string out_;
};

// ---- Protocol Buffers. Numbers of fields are those of metrics.proto.

uint64_t ZigZag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}

void AppendExemplar(const Exemplar& exemplar, std::string* out) {
  std::string label, time, message;
  wire::Writer(&label).Bytes(1, "trace_id");
  wire::Writer(&label).Bytes(2, exemplar.trace.Hex());
  const double seconds = std::floor(exemplar.time);
  wire::Writer(&time).Varint(1, static_cast<uint64_t>(seconds));
  wire::Writer(&time).Varint(
      2, static_cast<uint64_t>((exemplar.time - seconds) * 1e9));
  wire::Writer writer(&message);
  writer.Message(1, label);
  writer.Double(2, exemplar.value);
  writer.Message(3, time);
  wire::Writer(out).Message(3, message);
}

// The native buckets: runs of those that are not empty, and what each has more
// than the one before. A gap of two empty ones costs less within a run than
// the next run's head.
void AppendNative(const HistogramSample& histogram, std::string* out) {
  constexpr size_t kGap = 2;
  wire::Writer writer(out);
  writer.Varint(5, ZigZag(kSchema));
  writer.Double(6, histogram.zero_threshold);
  writer.Varint(7, histogram.zero);
  const std::vector<uint64_t>& native = histogram.native;
  std::vector<int64_t> deltas;
  int64_t before = 0;
  // As Prometheus counts them, a bucket's number is that of its upper bound.
  int64_t next = 0;
  bool first = true;
  for (size_t i = 0; i < native.size();) {
    if (native[i] == 0) {
      ++i;
      continue;
    }
    size_t end = i + 1;
    for (size_t j = end; j < native.size() && j < end + kGap + 1; ++j) {
      if (native[j] != 0) end = j + 1;
    }
    const int64_t start = histogram.native_first + static_cast<int64_t>(i);
    std::string span;
    wire::Writer(&span).Varint(1, ZigZag(first ? start : start - next));
    wire::Writer(&span).Varint(2, end - i);
    writer.Message(12, span);
    for (; i < end; ++i) {
      const auto count = static_cast<int64_t>(native[i]);
      deltas.push_back(static_cast<int64_t>(ZigZag(count - before)));
      before = count;
    }
    next = histogram.native_first + static_cast<int64_t>(end);
    first = false;
  }
  writer.Packed(13, deltas.data(), deltas.size());
}

void AppendHistogram(const HistogramSample& histogram, std::string* out) {
  uint64_t count = 0;  // so far
  std::string buckets;
  for (size_t i = 0; i < histogram.buckets.size(); ++i) {
    count += histogram.buckets[i];
    std::string bucket;
    wire::Writer writer(&bucket);
    writer.Varint(1, count);
    writer.Double(2,
                  i < histogram.bounds.size() ? histogram.bounds[i] : HUGE_VAL);
    if (i < histogram.exemplars.size() &&
        histogram.exemplars[i].trace.valid()) {
      AppendExemplar(histogram.exemplars[i], &bucket);
    }
    wire::Writer(&buckets).Message(3, bucket);
  }
  // Prometheus refuses a scrape in which native buckets do not add up to the
  // count; classic ones may be an observation ahead, made while they were read.
  if (!histogram.native.empty()) {
    count = std::accumulate(histogram.native.begin(), histogram.native.end(),
                            histogram.zero);
  }
  wire::Writer writer(out);
  writer.Varint(1, count);
  writer.Double(2, histogram.sum);
  out->append(buckets);
  if (!histogram.native.empty()) AppendNative(histogram, out);
}

void AppendProtobuf(const FamilySample& family, std::string* out) {
  std::string message;
  wire::Writer writer(&message);
  writer.Bytes(1, family.name);
  writer.Bytes(2, family.help);
  constexpr uint64_t kGauge = 1, kHistogram = 4;
  writer.Varint(3, family.type == MetricType::kHistogram ? kHistogram
                   : family.type == MetricType::kGauge   ? kGauge
                                                         : 0);
  for (const Sample& sample : family.samples) {
    std::string metric;
    for (size_t i = 0; i < std::min(family.labels.size(), sample.labels.size());
         ++i) {
      std::string label;
      wire::Writer(&label).Bytes(1, family.labels[i]);
      wire::Writer(&label).Bytes(2, sample.labels[i]);
      wire::Writer(&metric).Message(1, label);
    }
    std::string value;
    if (sample.histogram) {
      AppendHistogram(*sample.histogram, &value);
      wire::Writer(&metric).Message(7, value);
    } else {
      wire::Writer(&value).Double(1, sample.value);
      wire::Writer(&metric).Message(family.type == MetricType::kGauge ? 2 : 3,
                                    value);
    }
    writer.Message(4, metric);
  }
  wire::Writer(out).Delimited(message);
}

}  // namespace

absl::string_view ContentType(MetricsFormat format) {
  switch (format) {
    case MetricsFormat::kOpenMetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case MetricsFormat::kProtobuf:
      return "application/vnd.google.protobuf; "
             "proto=io.prometheus.client.MetricFamily; encoding=delimited";
    case MetricsFormat::kText:
      break;
  }
  return "text/plain; version=0.0.4; charset=utf-8";
}

std::string WriteMetrics(MetricsFormat format, const FamilySamples& families) {
  if (format == MetricsFormat::kProtobuf) {
    std::string out;
    for (const FamilySample& family : families) {
      if (!family.samples.empty()) AppendProtobuf(family, &out);
    }
    return out;
  }
  TextWriter writer(format == MetricsFormat::kOpenMetrics);
  for (const FamilySample& family : families) {
    if (!family.samples.empty()) writer.Family(family);
  }
  return std::move(writer).Done();
}

}  // namespace base
