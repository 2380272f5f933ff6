// What GPUs do, as metrics. A driver is slow and may hang: it is asked on a
// thread of its own, and whoever asks for metrics gets what it said last.
#ifndef CC_TELEMETRY_GPU_METRICS_H_
#define CC_TELEMETRY_GPU_METRICS_H_

#include <chrono>
#include <memory>

#include "cc/base/clock.h"
#include "cc/base/metrics_format.h"

namespace telemetry {

class GpuMetrics {
 public:
  struct Options {
    // From one reading to the next.
    base::Clock::duration pause = std::chrono::seconds(5);
    // A reading that is older is not shown any more.
    base::Clock::duration oldest = std::chrono::minutes(1);
  };

  // nullptr: there is no library, or no thread.
  static std::unique_ptr<GpuMetrics> Start(const Options& options);
  // Does not wait for the driver either.
  ~GpuMetrics();
  GpuMetrics(const GpuMetrics&) = delete;
  GpuMetrics& operator=(const GpuMetrics&) = delete;

  // Waits for nobody. No family where the driver has not answered.
  base::FamilySamples Read() const;

 private:
  struct State;
  explicit GpuMetrics(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;
};

}  // namespace telemetry

#endif  // CC_TELEMETRY_GPU_METRICS_H_
