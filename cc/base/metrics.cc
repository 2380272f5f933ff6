#include "cc/base/metrics.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cc/base/json.h"

namespace base {
namespace {

void AppendNumber(double value, std::string* out) {
  if (AppendJsonNumber(value, out)) return;
  out->append(std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
}

// "0.0001" and "1048576": bounds are compared as text by those who query.
std::string BoundText(double bound) {
  return bound == std::floor(bound) && bound < 1e15
             ? absl::StrCat(static_cast<int64_t>(bound))
             : absl::StrCat(bound);
}

void AppendHead(absl::string_view name, absl::string_view help,
                absl::string_view type, std::string* out) {
  absl::StrAppend(out, "# HELP ", name, " ",
                  absl::StrReplaceAll(help, {{"\\", "\\\\"}, {"\n", "\\n"}}),
                  "\n# TYPE ", name, " ", type, "\n");
}

// name="value",... without braces, so that `le` can follow.
std::string LabelText(const std::vector<std::string>& names,
                      const LabelValues& values) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    absl::StrAppend(
        &out, i == 0 ? "" : ",", names[i], "=\"",
        absl::StrReplaceAll(values[i],
                            {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
        "\"");
  }
  return out;
}

void AppendSeries(absl::string_view name, absl::string_view suffix,
                  absl::string_view labels, std::string* out) {
  absl::StrAppend(out, name, suffix);
  if (!labels.empty()) absl::StrAppend(out, "{", labels, "}");
  out->push_back(' ');
}

void Append(absl::string_view name, absl::string_view labels,
            const Counter& counter, std::string* out) {
  AppendSeries(name, "", labels, out);
  absl::StrAppend(out, counter.value(), "\n");
}

void Append(absl::string_view name, absl::string_view labels,
            const Gauge& gauge, std::string* out) {
  AppendSeries(name, "", labels, out);
  AppendNumber(gauge.value(), out);
  out->push_back('\n');
}

void Append(absl::string_view name, absl::string_view labels,
            const Histogram& histogram, std::string* out) {
  uint64_t count = 0;
  const size_t bounds = histogram.bounds().size();
  for (size_t i = 0; i <= bounds; ++i) {
    count += histogram.bucket(i);
    absl::StrAppend(out, name, "_bucket{", labels, labels.empty() ? "" : ",",
                    "le=\"",
                    i < bounds ? BoundText(histogram.bounds()[i]) : "+Inf",
                    "\"} ", count, "\n");
  }
  AppendSeries(name, "_sum", labels, out);
  AppendNumber(histogram.sum(), out);
  out->push_back('\n');
  AppendSeries(name, "_count", labels, out);
  absl::StrAppend(out, count, "\n");
}

template <typename Series>
constexpr absl::string_view TypeName() {
  if constexpr (std::is_same_v<Series, Counter>) return "counter";
  if constexpr (std::is_same_v<Series, Histogram>) return "histogram";
  return "gauge";
}

struct ReadCounter {
  std::string name;
  std::string help;
  std::function<double()> read;
};

}  // namespace

struct Registry::Entry {
  std::variant<
      std::unique_ptr<Family<Counter>>, std::unique_ptr<Family<Histogram>>,
      std::unique_ptr<Family<Gauge>>, ReadCounter, std::function<std::string()>>
      what;
};

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)),
      buckets_(new std::atomic<uint64_t>[bounds_.size() + 1]()) {}

void Histogram::Observe(double value) {
  const size_t i =
      std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  buckets_[i].fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + value,
                                     std::memory_order_relaxed)) {
  }
}

std::vector<double> DurationBounds() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
          0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
}

std::vector<double> PowersOfTwo(double max) {
  std::vector<double> bounds = {1};
  while (bounds.back() < max) bounds.push_back(bounds.back() * 2);
  return bounds;
}

template <typename Series>
std::vector<std::pair<std::string, std::shared_ptr<Series>>>
Family<Series>::Live() {
  std::vector<std::pair<std::string, std::shared_ptr<Series>>> live;
  absl::MutexLock lock(&mutex_);
  for (auto it = series_.begin(); it != series_.end();) {
    if (auto series = it->second.lock()) {
      live.emplace_back(LabelText(labels_, it->first), std::move(series));
      ++it;
    } else {
      it = series_.erase(it);
    }
  }
  return live;
}

Registry::Registry() = default;
Registry::~Registry() = default;

template <typename Series>
Family<Series>& Registry::Add(absl::string_view name, absl::string_view help,
                              const std::vector<std::string>& labels,
                              const std::vector<double>& bounds) {
  using Owned = std::unique_ptr<Family<Series>>;
  absl::MutexLock lock(&mutex_);
  for (const auto& entry : entries_) {
    const auto* family = std::get_if<Owned>(&entry->what);
    if (family != nullptr && (*family)->name_ == name &&
        (*family)->labels_ == labels) {
      return **family;
    }
  }
  Owned family(
      new Family<Series>(std::string(name), std::string(help), labels, bounds));
  Family<Series>& added = *family;
  entries_.push_back(std::make_unique<Entry>(Entry{std::move(family)}));
  return added;
}

Family<Counter>& Registry::AddCounter(absl::string_view name,
                                      absl::string_view help,
                                      const std::vector<std::string>& labels) {
  return Add<Counter>(name, help, labels, {});
}

Family<Histogram>& Registry::AddHistogram(
    absl::string_view name, absl::string_view help,
    const std::vector<std::string>& labels, const std::vector<double>& bounds) {
  return Add<Histogram>(name, help, labels, bounds);
}

Family<Gauge>& Registry::AddGauge(absl::string_view name,
                                  absl::string_view help,
                                  const std::vector<std::string>& labels) {
  return Add<Gauge>(name, help, labels, {});
}

void Registry::AddReadCounter(absl::string_view name, absl::string_view help,
                              std::function<double()> read) {
  absl::MutexLock lock(&mutex_);
  entries_.push_back(std::make_unique<Entry>(Entry{
      ReadCounter{std::string(name), std::string(help), std::move(read)}}));
}

void Registry::AddText(std::function<std::string()> text) {
  absl::MutexLock lock(&mutex_);
  entries_.push_back(std::make_unique<Entry>(Entry{std::move(text)}));
}

std::string Registry::Text() {
  std::vector<Entry*> entries;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& entry : entries_) entries.push_back(entry.get());
  }
  std::string out;
  std::string tail;
  const auto append_family = [&out](auto& family) {
    using Series = std::decay_t<decltype(*family.Live().front().second)>;
    const auto live = family.Live();
    if (live.empty()) return;
    AppendHead(family.name_, family.help_, TypeName<Series>(), &out);
    for (const auto& [labels, series] : live) {
      Append(family.name_, labels, *series, &out);
    }
  };
  for (Entry* entry : entries) {
    if (auto* counter = std::get_if<ReadCounter>(&entry->what)) {
      AppendHead(counter->name, counter->help, "counter", &out);
      AppendSeries(counter->name, "", "", &out);
      AppendNumber(counter->read(), &out);
      out.push_back('\n');
    } else if (auto* text =
                   std::get_if<std::function<std::string()>>(&entry->what)) {
      tail.append((*text)());
    } else if (auto* counters = std::get_if<0>(&entry->what)) {
      append_family(**counters);
    } else if (auto* histograms = std::get_if<1>(&entry->what)) {
      append_family(**histograms);
    } else if (auto* gauges = std::get_if<2>(&entry->what)) {
      append_family(**gauges);
    }
  }
  return out + tail;
}

}  // namespace base
