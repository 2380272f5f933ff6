#include "cc/base/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <variant>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace base {
namespace {

// Buckets of a native histogram to a power of two (schema 3).
constexpr int kPerOctave = 8;
// Native buckets begin and end so many powers of two beyond the bounds.
constexpr int kBelow = 7;
constexpr int kAbove = 8;

// 2^(i/8) / 2, i from 0: where buckets between a half and one end.
constexpr double kSteps[kPerOctave] = {
    0.5,
    0.5452538663326288,
    0.5946035575013605,
    0.6484197773255048,
    0.7071067811865475,
    0.7711054127039704,
    0.8408964152537144,
    0.9170040432046712,
};

// Of the bucket that a value above zero lies in: the least i so that it is at
// most 2^(i/8). By its bits, without a branch that is hard to foresee: frexp
// and a search take longer than all else of an observation. Infinity is beyond
// all others.
int NativeIndex(double value) {
  constexpr int kMantissaBits = 52;
  constexpr uint64_t kMantissa = (uint64_t{1} << kMantissaBits) - 1;
  constexpr uint64_t kHalfExponent = 1022;  // of what is from a half to one
  uint64_t bits = 0;
  static_assert(sizeof(bits) == sizeof(value));
  std::memcpy(&bits, &value, sizeof(bits));
  const auto exponent =
      static_cast<int>(bits >> kMantissaBits) - static_cast<int>(kHalfExponent);
  bits = (bits & kMantissa) | kHalfExponent << kMantissaBits;
  double fraction = 0;
  std::memcpy(&fraction, &bits, sizeof(bits));
  int step = 0;
  for (const double end : kSteps) step += fraction > end ? 1 : 0;
  return step + (exponent - 1) * kPerOctave;
}

int FloorLog2(double value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  return exponent - 1;
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)),
      native_first_((FloorLog2(bounds_.front()) - kBelow) * kPerOctave + 1),
      native_size_((FloorLog2(bounds_.back()) + kAbove) * kPerOctave -
                   native_first_ + 1),
      zero_threshold_(std::ldexp(1, FloorLog2(bounds_.front()) - kBelow)),
      buckets_(new std::atomic<uint64_t>[bounds_.size() + 1]()),
      native_(
          new std::atomic<uint64_t>[static_cast<size_t>(native_size_) + 1]()) {}

size_t Histogram::Observe(double value) {
  // There are few: to look at all is faster than a search, which guesses.
  size_t i = 0;
  for (const double bound : bounds_) i += bound < value ? 1 : 0;
  buckets_[i].fetch_add(1, std::memory_order_relaxed);
  // The first one is that of zero, the last one's that of all beyond it.
  const int native =
      value > zero_threshold_
          ? std::min(NativeIndex(value) - native_first_, native_size_ - 1) + 1
          : 0;
  native_[static_cast<size_t>(native)].fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + value,
                                     std::memory_order_relaxed)) {
  }
  return i;
}

void Histogram::Observe(double value, const TraceId& trace) {
  const size_t bucket = Observe(value);
  const Exemplar exemplar = {
      trace, value, absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch())};
  absl::MutexLock lock(&mutex_);
  exemplars_.resize(bounds_.size() + 1);
  exemplars_[bucket] = exemplar;
}

HistogramSample Histogram::Read() const {
  HistogramSample sample;
  sample.bounds = bounds_;
  for (size_t i = 0; i <= bounds_.size(); ++i) {
    sample.buckets.push_back(bucket(i));
  }
  sample.sum = sum();
  sample.zero_threshold = zero_threshold_;
  sample.zero = native_[0].load(std::memory_order_relaxed);
  sample.native_first = native_first_;
  for (int i = 1; i <= native_size_; ++i) {
    sample.native.push_back(
        native_[static_cast<size_t>(i)].load(std::memory_order_relaxed));
  }
  absl::MutexLock lock(&mutex_);
  sample.exemplars = exemplars_;
  return sample;
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

struct Registry::Entry {
  std::variant<std::unique_ptr<Family<Counter>>,
               std::unique_ptr<Family<Histogram>>,
               std::unique_ptr<Family<Gauge>>, Collector>
      what;
};

template <typename Series>
std::vector<std::pair<LabelValues, std::shared_ptr<Series>>>
Family<Series>::Live() {
  std::vector<std::pair<LabelValues, std::shared_ptr<Series>>> live;
  absl::MutexLock lock(&mutex_);
  for (auto it = series_.begin(); it != series_.end();) {
    if (auto series = it->second.lock()) {
      live.emplace_back(it->first, std::move(series));
      ++it;
    } else {
      it = series_.erase(it);
    }
  }
  return live;
}

template <typename Series>
FamilySample Family<Series>::Read() {
  FamilySample family = {name_, help_, MetricType::kGauge, labels_, {}};
  if constexpr (std::is_same_v<Series, Counter>) {
    family.type = MetricType::kCounter;
  } else if constexpr (std::is_same_v<Series, Histogram>) {
    family.type = MetricType::kHistogram;
  }
  for (const auto& [labels, series] : Live()) {
    Sample& sample = family.samples.emplace_back();
    sample.labels = labels;
    if constexpr (std::is_same_v<Series, Histogram>) {
      sample.histogram = series->Read();
    } else {
      sample.value = static_cast<double>(series->value());
    }
  }
  return family;
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
  AddCollector([name = std::string(name), help = std::string(help),
                read = std::move(read)]() -> FamilySamples {
    return {{name, help, MetricType::kCounter, {}, {{{}, read(), {}}}}};
  });
}

void Registry::AddCollector(Collector collect) {
  absl::MutexLock lock(&mutex_);
  entries_.push_back(std::make_unique<Entry>(Entry{std::move(collect)}));
}

FamilySamples Registry::Read() {
  std::vector<Entry*> entries;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& entry : entries_) entries.push_back(entry.get());
  }
  FamilySamples families;
  for (Entry* entry : entries) {
    std::visit(
        [&families](auto& what) {
          if constexpr (std::is_same_v<std::decay_t<decltype(what)>,
                                       Collector>) {
            for (FamilySample& family : what()) {
              families.push_back(std::move(family));
            }
          } else {
            families.push_back(what->Read());
          }
        },
        entry->what);
  }
  return families;
}

}  // namespace base
