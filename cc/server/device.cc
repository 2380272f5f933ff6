#include "cc/server/device.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cc/engine/cuda_driver.h"
#include "cc/engine/gpu_report.h"

namespace server {
namespace {

constexpr absl::string_view kUsage =
    "auto, cpu, gpu, or gpu:N[,N...] with the numbers of GPUs";

// The numbers of "gpu:0,1", none twice.
absl::StatusOr<std::vector<int>> ParseNumbers(absl::string_view flag) {
  std::vector<int> numbers;
  for (absl::string_view text :
       absl::StrSplit(absl::StripPrefix(flag, "gpu:"), ',')) {
    int number = 0;
    if (!absl::SimpleAtoi(text, &number) || number < 0 ||
        std::count(numbers.begin(), numbers.end(), number) > 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", flag, "\" is not ", kUsage));
    }
    numbers.push_back(number);
  }
  return numbers;
}

// The GPUs wanted, all if none is named, of those that the driver sees.
absl::StatusOr<Devices> ChooseGpus(const std::vector<int>& wanted) {
  const auto driver = engine::CudaDriver::Open();
  if (!driver.ok()) return driver.status();
  const std::vector<engine::Gpu>& gpus = driver->gpus();
  const int count = static_cast<int>(gpus.size());
  for (int number : wanted) {
    if (number >= count) {
      return absl::NotFoundError(absl::StrCat("there is no GPU ", number,
                                              ": the driver sees ", count,
                                              ", counted from 0"));
    }
  }
  Devices devices;
  std::vector<std::string> names;
  std::vector<std::string> unfit;
  for (int i = 0; i < count; ++i) {
    if (!wanted.empty() && std::count(wanted.begin(), wanted.end(), i) == 0) {
      continue;
    }
    const absl::Status fit = engine::CheckCapability(gpus[i]);
    if (fit.ok()) {
      devices.gpus.push_back(i);
      names.push_back(engine::NameOf(i, gpus[i]));
    } else {
      unfit.push_back(
          absl::StrCat(engine::NameOf(i, gpus[i]),
                       " does not run this engine: ", fit.message()));
    }
  }
  if (devices.gpus.empty() || (!wanted.empty() && !unfit.empty())) {
    return absl::FailedPreconditionError(absl::StrJoin(unfit, "; "));
  }
  names.insert(names.end(), unfit.begin(), unfit.end());
  devices.why = absl::StrJoin(names, "; ");
  return devices;
}

}  // namespace

void DeviceFlags::Register(CLI::App* app) {
  app->add_option("--device", device,
                  "Where models run: auto (the GPUs, if the engine is built "
                  "with CUDA and there are any that it runs on, else the CPU), "
                  "cpu, gpu (all of them), or gpu:N[,N...].")
      ->check([](const std::string& flag) -> std::string {
        if (flag == "auto" || flag == "cpu" || flag == "gpu") return "";
        if (absl::StartsWith(flag, "gpu:") && ParseNumbers(flag).ok()) {
          return "";
        }
        return absl::StrCat("\"", flag, "\" is not ", kUsage);
      });
  app->add_option("--gpu_memory_mb", gpu_memory_mb,
                  "MiB of a GPU's memory that are taken at first; more are "
                  "taken as needed.")
      ->check(CLI::Range(1, 1 << 20));
}

std::string Devices::Name() const {
  return gpus.empty() ? "cpu" : absl::StrCat("gpu:", absl::StrJoin(gpus, ","));
}

absl::StatusOr<Devices> ChooseDevices(absl::string_view flag,
                                      bool engine_has_cuda) {
  if (flag == "cpu") return Devices{{}, "--device=cpu"};
  const bool automatic = flag == "auto";
  absl::StatusOr<Devices> devices =
      absl::FailedPreconditionError(engine::kNoCuda);
  if (engine_has_cuda) {
    std::vector<int> wanted;
    if (absl::StartsWith(flag, "gpu:")) {
      const auto numbers = ParseNumbers(flag);
      if (!numbers.ok()) return numbers.status();
      wanted = *numbers;
    }
    devices = ChooseGpus(wanted);
  }
  if (devices.ok()) return devices;
  if (automatic) return Devices{{}, std::string(devices.status().message())};
  return absl::Status(
      devices.status().code(),
      absl::StrCat("--device=", flag, ": ", devices.status().message(),
                   "; or run on the CPU with --device=cpu"));
}

}  // namespace server
