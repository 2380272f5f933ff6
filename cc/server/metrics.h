// Counters, gauges and histograms, written as Prometheus text (format 0.0.4).
//
// A family has a name, a help text and label names; its series are made when
// first asked for and live as long as the registry, so hot paths keep the
// reference and count with one atomic operation. Own code and not a library:
// it must be static and small, see docs/engine.md.
//
//   Registry registry;
//   auto& requests = registry.AddCounter("requests_total", "Requests.",
//                                        {"model"});
//   requests.With({"digits"}).Add();
//   std::string text = registry.Text();
#ifndef CC_SERVER_METRICS_H_
#define CC_SERVER_METRICS_H_

#include <atomic>
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

namespace server {

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Durations, in buckets from 100 us to 10 s.
class Histogram {
 public:
  static constexpr double kBounds[] = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
      0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
  static constexpr size_t kBuckets = sizeof(kBounds) / sizeof(*kBounds) + 1;

  void Observe(double seconds);

 private:
  friend class Registry;
  std::atomic<uint64_t> buckets_[kBuckets] = {};
  std::atomic<uint64_t> sum_ns_{0};
};

// Thread-safe.
template <typename Series>
class Family {
 public:
  // One value a label, in the order of the label names.
  Series& With(const std::vector<std::string>& values) {
    absl::MutexLock lock(&mutex_);
    auto& series = series_[values];
    if (series == nullptr) series = std::make_unique<Series>();
    return *series;
  }

 private:
  friend class Registry;
  Family(std::string name, std::string help, std::vector<std::string> labels)
      : name_(std::move(name)),
        help_(std::move(help)),
        labels_(std::move(labels)) {}

  const std::string name_;
  const std::string help_;
  const std::vector<std::string> labels_;
  absl::Mutex mutex_;
  std::map<std::vector<std::string>, std::unique_ptr<Series>> series_
      ABSL_GUARDED_BY(mutex_);
};

// Families are added before the first call of Text; from then on thread-safe.
class Registry {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  // Called by Text, so that values which exist elsewhere are only read there.
  using Reader = std::function<double()>;

  Family<Counter>& AddCounter(std::string name, std::string help,
                              std::vector<std::string> labels);
  Family<Histogram>& AddHistogram(std::string name, std::string help,
                                  std::vector<std::string> labels);
  // Series of a gauge come one by one; those of one name in one go.
  void AddGauge(std::string name, std::string help, const Labels& labels,
                Reader reader);
  // Text written as it is at the end: whole families made elsewhere.
  void AddText(std::function<std::string()> text);

  std::string Text();

 private:
  std::vector<std::unique_ptr<Family<Counter>>> counters_;
  std::vector<std::unique_ptr<Family<Histogram>>> histograms_;
  struct Gauge {
    std::string name;
    std::string help;
    std::string series;
    Reader reader;
  };
  std::vector<Gauge> gauges_;
  std::vector<std::function<std::string()>> texts_;
};

// The process_* family that every Prometheus client library gives: CPU time,
// memory, file descriptors, start time; read from /proc.
std::string ProcessMetricsText();

}  // namespace server

#endif  // CC_SERVER_METRICS_H_
