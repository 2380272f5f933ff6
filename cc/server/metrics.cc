#include "cc/server/metrics.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cc/server/json.h"

namespace server {
namespace {

void AppendNumber(double value, std::string* out) {
  if (!AppendJsonNumber(value, out)) out->append("NaN");
}

void AppendHead(absl::string_view name, absl::string_view help,
                absl::string_view type, std::string* out) {
  absl::StrAppend(out, "# HELP ", name, " ",
                  absl::StrReplaceAll(help, {{"\\", "\\\\"}, {"\n", "\\n"}}),
                  "\n# TYPE ", name, " ", type, "\n");
}

// name="value",… without braces, so that `le` can follow.
std::string LabelText(const Registry::Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    absl::StrAppend(&out, out.empty() ? "" : ",", name, "=\"",
                    absl::StrReplaceAll(
                        value, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
                    "\"");
  }
  return out;
}

std::string LabelText(const std::vector<std::string>& names,
                      const std::vector<std::string>& values) {
  Registry::Labels labels;
  for (size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    labels.emplace_back(names[i], values[i]);
  }
  return LabelText(labels);
}

std::string Series(absl::string_view name, absl::string_view labels) {
  return labels.empty() ? std::string(name)
                        : absl::StrCat(name, "{", labels, "}");
}

}  // namespace

void Histogram::Observe(double seconds) {
  seconds = std::max(seconds, 0.0);
  const size_t bucket =
      std::lower_bound(std::begin(kBounds), std::end(kBounds), seconds) -
      std::begin(kBounds);
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<uint64_t>(seconds * 1e9),
                    std::memory_order_relaxed);
}

Family<Counter>& Registry::AddCounter(std::string name, std::string help,
                                      std::vector<std::string> labels) {
  counters_.emplace_back(
      new Family<Counter>(std::move(name), std::move(help), std::move(labels)));
  return *counters_.back();
}

Family<Histogram>& Registry::AddHistogram(std::string name, std::string help,
                                          std::vector<std::string> labels) {
  histograms_.emplace_back(new Family<Histogram>(
      std::move(name), std::move(help), std::move(labels)));
  return *histograms_.back();
}

void Registry::AddGauge(std::string name, std::string help,
                        const Labels& labels, Reader reader) {
  std::string series = Series(name, LabelText(labels));
  gauges_.push_back(
      {std::move(name), std::move(help), std::move(series), std::move(reader)});
}

void Registry::AddText(std::function<std::string()> text) {
  texts_.push_back(std::move(text));
}

std::string Registry::Text() {
  std::string out;
  for (const auto& family : counters_) {
    AppendHead(family->name_, family->help_, "counter", &out);
    absl::MutexLock lock(&family->mutex_);
    for (const auto& [values, counter] : family->series_) {
      absl::StrAppend(&out,
                      Series(family->name_, LabelText(family->labels_, values)),
                      " ", counter->value(), "\n");
    }
  }
  for (const auto& family : histograms_) {
    AppendHead(family->name_, family->help_, "histogram", &out);
    absl::MutexLock lock(&family->mutex_);
    for (const auto& [values, histogram] : family->series_) {
      const std::string labels = LabelText(family->labels_, values);
      uint64_t count = 0;
      for (size_t i = 0; i < Histogram::kBuckets; ++i) {
        count += histogram->buckets_[i].load(std::memory_order_relaxed);
        const std::string bound = i + 1 < Histogram::kBuckets
                                      ? absl::StrCat(Histogram::kBounds[i])
                                      : "+Inf";
        absl::StrAppend(&out, family->name_, "_bucket{", labels,
                        labels.empty() ? "" : ",", "le=\"", bound, "\"} ",
                        count, "\n");
      }
      absl::StrAppend(&out, Series(family->name_ + "_sum", labels), " ");
      AppendNumber(static_cast<double>(
                       histogram->sum_ns_.load(std::memory_order_relaxed)) /
                       1e9,
                   &out);
      absl::StrAppend(&out, "\n", Series(family->name_ + "_count", labels), " ",
                      count, "\n");
    }
  }
  absl::string_view previous;
  for (const Gauge& gauge : gauges_) {
    if (gauge.name != previous) {
      AppendHead(gauge.name, gauge.help, "gauge", &out);
    }
    previous = gauge.name;
    absl::StrAppend(&out, gauge.series, " ");
    AppendNumber(gauge.reader(), &out);
    out.push_back('\n');
  }
  for (const auto& text : texts_) out.append(text());
  return out;
}

}  // namespace server
