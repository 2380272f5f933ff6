// Counters, gauges and histograms, for Prometheus (metrics_format.h writes
// them).
//
// A family has a name, a help text and label names. Its series belong to who
// asks for them: they are resolved once and kept, hot paths count with one
// atomic operation, and a series is gone from the text with its last holder (a
// model that is unloaded takes its own with it). Own code and not a library: it
// must be static and small, see docs/engine.md.
//
//   Registry registry;
//   auto& requests = registry.AddCounter("requests_total", "Requests.",
//                                        {"model"});
//   const std::shared_ptr<Counter> digits = requests.With({"digits"});
//   digits->Add();
//   std::string text = registry.Text();
#ifndef CC_BASE_METRICS_H_
#define CC_BASE_METRICS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/metrics_format.h"
#include "cc/base/trace_context.h"

namespace base {

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Counts each value twice: in classic buckets, whose bounds are given, and in
// the fine ones of a native histogram (schema 3: eight to a power of two),
// which reach from 1/128 of the first bound to 128 times the last one. What is
// below is zero to them, what is above in their last one.
class Histogram {
 public:
  // Ascending upper bounds of the buckets, above zero; above the last one is
  // one more.
  explicit Histogram(std::vector<double> bounds);

  // Gives the number of the bucket.
  size_t Observe(double value);
  // Also keeps it as the example of its bucket; of traces that are recorded.
  void Observe(double value, const TraceId& trace);

  const std::vector<double>& bounds() const { return bounds_; }
  uint64_t bucket(size_t i) const {
    return buckets_[i].load(std::memory_order_relaxed);
  }
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  HistogramSample Read() const;

 private:
  const std::vector<double> bounds_;
  const int native_first_;
  const int native_size_;
  const double zero_threshold_;
  const std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  const std::unique_ptr<std::atomic<uint64_t>[]> native_;  // zero's first
  std::atomic<double> sum_{0};
  mutable absl::Mutex mutex_;
  std::vector<Exemplar> exemplars_ ABSL_GUARDED_BY(mutex_);
};

// Seconds from 100 us to 10 s.
std::vector<double> DurationBounds();
// 1, 2, 4, ... up to `max` or beyond.
std::vector<double> PowersOfTwo(double max);

// A value that exists elsewhere, read when somebody asks.
class Gauge {
 public:
  explicit Gauge(std::function<double()> read) : read_(std::move(read)) {}
  double value() const { return read_(); }

 private:
  const std::function<double()> read_;
};

using LabelValues = std::vector<std::string>;

// The series of one name. Thread-safe.
template <typename Series>
class Family {
 public:
  // The series with one value for each label name: the one that is held by
  // somebody, or a new one, made with what a series takes (a Gauge its
  // reader).
  template <typename... Args>
  [[nodiscard]] std::shared_ptr<Series> With(const LabelValues& values,
                                             Args&&... args) {
    absl::MutexLock lock(&mutex_);
    std::weak_ptr<Series>& known = series_[values];
    std::shared_ptr<Series> series = known.lock();
    if (series == nullptr) {
      series = Make(std::forward<Args>(args)...);
      known = series;
    }
    return series;
  }

 private:
  friend class Registry;
  Family(std::string name, std::string help, std::vector<std::string> labels,
         std::vector<double> bounds)
      : name_(std::move(name)),
        help_(std::move(help)),
        labels_(std::move(labels)),
        bounds_(std::move(bounds)) {}

  template <typename... Args>
  std::shared_ptr<Series> Make(Args&&... args) {
    if constexpr (std::is_same_v<Series, Histogram>) {
      return std::make_shared<Histogram>(bounds_);
    } else {
      return std::make_shared<Series>(std::forward<Args>(args)...);
    }
  }
  // Those that somebody holds.
  std::vector<std::pair<LabelValues, std::shared_ptr<Series>>> Live();
  FamilySample Read();

  const std::string name_;
  const std::string help_;
  const std::vector<std::string> labels_;
  const std::vector<double> bounds_;  // of histograms
  absl::Mutex mutex_;
  std::map<LabelValues, std::weak_ptr<Series>> series_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe; readers of gauges are called on the thread that calls Read.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A family is added once for all; whoever adds the same again, of the same
  // kind and labels, gets the one that is there.
  Family<Counter>& AddCounter(absl::string_view name, absl::string_view help,
                              const std::vector<std::string>& labels);
  Family<Histogram>& AddHistogram(absl::string_view name,
                                  absl::string_view help,
                                  const std::vector<std::string>& labels,
                                  const std::vector<double>& bounds);
  Family<Gauge>& AddGauge(absl::string_view name, absl::string_view help,
                          const std::vector<std::string>& labels);
  // A counter that is kept elsewhere; one series, for good.
  void AddReadCounter(absl::string_view name, absl::string_view help,
                      std::function<double()> read);
  // Whole families that are made elsewhere when somebody asks.
  using Collector = std::function<FamilySamples()>;
  void AddCollector(Collector collect);

  FamilySamples Read();
  std::string Text() { return WriteMetrics(MetricsFormat::kText, Read()); }

 private:
  struct Entry;
  template <typename Series>
  Family<Series>& Add(absl::string_view name, absl::string_view help,
                      const std::vector<std::string>& labels,
                      const std::vector<double>& bounds);

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace base

#endif  // CC_BASE_METRICS_H_
