#include "cc/telemetry/nvml.h"

#include <dlfcn.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace telemetry {

// The library's C functions and types, by nvml.h: an nvmlReturn_t is an int, 0
// is success; an nvmlDevice_t is a pointer.
struct Nvml::Functions {
  using Device = void*;
  struct Utilization {
    unsigned gpu, memory;  // percent
  };
  struct Memory {
    unsigned long long total, free, used;  // bytes
  };

  int (*init)();
  const char* (*error_string)(int error);
  int (*get_count)(unsigned* count);
  int (*get_handle)(unsigned number, Device* device);
  int (*get_uuid)(Device device, char* uuid, unsigned size);
  int (*get_name)(Device device, char* name, unsigned size);
  int (*get_utilization)(Device device, Utilization* utilization);
  int (*get_memory)(Device device, Memory* memory);
  int (*get_temperature)(Device device, int sensor, unsigned* degrees);
  int (*get_power)(Device device, unsigned* milliwatts);

  // False if the library lacks one.
  bool Find(void* library) {
    const auto find = [&](auto* function, const char* name) {
      *reinterpret_cast<void**>(function) = dlsym(library, name);
      return *function != nullptr;
    };
    return find(&init, "nvmlInit_v2") &&
           find(&error_string, "nvmlErrorString") &&
           find(&get_count, "nvmlDeviceGetCount_v2") &&
           find(&get_handle, "nvmlDeviceGetHandleByIndex_v2") &&
           find(&get_uuid, "nvmlDeviceGetUUID") &&
           find(&get_name, "nvmlDeviceGetName") &&
           find(&get_utilization, "nvmlDeviceGetUtilizationRates") &&
           find(&get_memory, "nvmlDeviceGetMemoryInfo") &&
           find(&get_temperature, "nvmlDeviceGetTemperature") &&
           find(&get_power, "nvmlDeviceGetPowerUsage");
  }

  absl::Status Failed(const char* what, int error) const {
    const char* const text = error_string(error);
    return absl::UnavailableError(
        absl::StrCat(what, ": ", text != nullptr ? text : "an unknown error",
                     " (", error, ")"));
  }
};

Nvml::Nvml(std::unique_ptr<Functions> functions)
    : functions_(std::move(functions)) {}
Nvml::~Nvml() = default;

absl::StatusOr<std::unique_ptr<Nvml>> Nvml::Open() {
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::NotFoundError("there is no libnvidia-ml.so.1");
  }
  auto functions = std::make_unique<Functions>();
  if (!functions->Find(library)) {
    return absl::NotFoundError("libnvidia-ml.so.1 lacks functions");
  }
  return std::unique_ptr<Nvml>(new Nvml(std::move(functions)));
}

absl::StatusOr<std::vector<GpuReading>> Nvml::Read() {
  const Functions& nvml = *functions_;
  if (!initialized_) {
    if (int e = nvml.init(); e != 0) return nvml.Failed("nvmlInit", e);
    initialized_ = true;
  }
  unsigned count = 0;
  if (int e = nvml.get_count(&count); e != 0) {
    return nvml.Failed("nvmlDeviceGetCount", e);
  }
  std::vector<GpuReading> readings;
  for (unsigned i = 0; i < count; ++i) {
    Functions::Device device = nullptr;
    char uuid[96] = "";
    char name[96] = "";
    // One that is lost does not hide the others.
    if (nvml.get_handle(i, &device) != 0 ||
        nvml.get_uuid(device, uuid, sizeof(uuid)) != 0 ||
        nvml.get_name(device, name, sizeof(name)) != 0) {
      continue;
    }
    GpuReading& reading = readings.emplace_back();
    reading.number = absl::StrCat(i);
    reading.uuid = uuid;
    reading.name = name;
    Functions::Utilization utilization = {};
    if (nvml.get_utilization(device, &utilization) == 0) {
      reading.utilization = utilization.gpu / 100.0;
    }
    Functions::Memory memory = {};
    if (nvml.get_memory(device, &memory) == 0) {
      reading.memory_used = static_cast<double>(memory.used);
      reading.memory_total = static_cast<double>(memory.total);
    }
    unsigned value = 0;
    constexpr int kOfTheChip = 0;  // NVML_TEMPERATURE_GPU
    if (nvml.get_temperature(device, kOfTheChip, &value) == 0) {
      reading.temperature = value;
    }
    if (nvml.get_power(device, &value) == 0) reading.power = value / 1000.0;
  }
  return readings;
}

}  // namespace telemetry
