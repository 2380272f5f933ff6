// NVIDIA's management library, as far as metrics ask it. It comes with the
// driver (libnvidia-ml.so.1) and is opened at run time: the same program runs
// where there is none.
// https://docs.nvidia.com/deploy/nvml-api/
#ifndef CC_TELEMETRY_NVML_H_
#define CC_TELEMETRY_NVML_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace telemetry {

// What a GPU does not tell is left out.
struct GpuReading {
  std::string number;  // as NVML counts them, by their place on the bus
  std::string uuid;    // "GPU-5c1e..."
  std::string name;    // "NVIDIA A10"
  std::optional<double> utilization;  // share of time that a kernel ran
  std::optional<double> memory_used;  // bytes
  std::optional<double> memory_total;
  std::optional<double> temperature;  // degrees Celsius
  std::optional<double> power;        // watts
};

// Any call may take as long as the driver likes. On one thread. What it opened
// stays open.
class Nvml {
 public:
  // NOT_FOUND: there is no such library. Quick.
  static absl::StatusOr<std::unique_ptr<Nvml>> Open();
  ~Nvml();

  // All GPUs that there are; UNAVAILABLE: the driver does not answer, and why.
  absl::StatusOr<std::vector<GpuReading>> Read();

 private:
  struct Functions;
  explicit Nvml(std::unique_ptr<Functions> functions);

  const std::unique_ptr<Functions> functions_;
  bool initialized_ = false;
};

}  // namespace telemetry

#endif  // CC_TELEMETRY_NVML_H_
