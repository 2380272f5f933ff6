// Where models run: --device.
#ifndef CC_SERVER_DEVICE_H_
#define CC_SERVER_DEVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace server {

struct DeviceFlags {
  std::string device = "auto";
  int64_t gpu_memory_mb = 100;

  void Register(CLI::App* app);
};

struct Devices {
  std::vector<int> gpus;  // empty: the CPU
  std::string why;        // for people

  // "cpu" or "gpu:0,1", as the flag is written.
  std::string Name() const;
};

// What `flag` means on this machine: "auto" takes the GPUs that work with this
// engine, else the CPU; "gpu" those, "gpu:0,1" exactly these, or an error that
// says what is missing and how to mend it. The driver is asked only if the
// engine could use it.
absl::StatusOr<Devices> ChooseDevices(absl::string_view flag,
                                      bool engine_has_cuda);

}  // namespace server

#endif  // CC_SERVER_DEVICE_H_
