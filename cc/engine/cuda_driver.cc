#include "cc/engine/cuda_driver.h"

#include <dlfcn.h>

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engine {
namespace {

// CUDA 11.8 runs on drivers of 11.0, release 450.80.02, and later (NVIDIA's
// "minor version compatibility"); a driver tells only the CUDA version that it
// was made for, as 1000 * major + 10 * minor.
constexpr int kOldestDriver = 11000;

constexpr int kNoDevice = 100;  // CUDA_ERROR_NO_DEVICE
// CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;

// What paddlepaddle-gpu 2.6.2 was compiled for (sm_61 and so on), without PTX
// that a driver could compile for others.
constexpr struct {
  int major, minor;
} kMachineCode[] = {{6, 1}, {7, 0}, {7, 5}, {8, 0}, {8, 6}};

std::string Version(int version) {
  return absl::StrCat(version / 1000, ".", version % 1000 / 10);
}

}  // namespace

// The driver's C functions, by cuda.h: a CUresult is an int, 0 is success;
// a CUdevice is an int, a CUcontext a pointer, a CUdeviceptr 64 bits.
struct CudaDriver::Functions {
  int (*init)(unsigned flags);
  int (*driver_get_version)(int* version);
  int (*device_get_count)(int* count);
  int (*device_get)(int* device, int number);
  int (*device_get_name)(char* name, int size, int device);
  int (*device_get_attribute)(int* value, int attribute, int device);
  int (*device_total_mem)(size_t* bytes, int device);
  int (*primary_ctx_retain)(void** context, int device);
  int (*primary_ctx_release)(int device);
  int (*ctx_push_current)(void* context);
  int (*ctx_pop_current)(void** context);
  int (*mem_alloc)(uint64_t* memory, size_t bytes);
  int (*mem_free)(uint64_t memory);
  int (*memcpy_htod)(uint64_t to, const void* from, size_t bytes);
  int (*memcpy_dtoh)(void* to, uint64_t from, size_t bytes);
  int (*get_error_name)(int error, const char** name);

  // False if the library lacks one. Names with _v2 are what cuda.h makes of
  // those without since CUDA 4 and, for the release, 11.
  bool Find(void* library) {
    const auto find = [&](auto* function, const char* name) {
      *reinterpret_cast<void**>(function) = dlsym(library, name);
      return *function != nullptr;
    };
    return find(&init, "cuInit") &&
           find(&driver_get_version, "cuDriverGetVersion") &&
           find(&device_get_count, "cuDeviceGetCount") &&
           find(&device_get, "cuDeviceGet") &&
           find(&device_get_name, "cuDeviceGetName") &&
           find(&device_get_attribute, "cuDeviceGetAttribute") &&
           find(&device_total_mem, "cuDeviceTotalMem_v2") &&
           find(&primary_ctx_retain, "cuDevicePrimaryCtxRetain") &&
           find(&primary_ctx_release, "cuDevicePrimaryCtxRelease_v2") &&
           find(&ctx_push_current, "cuCtxPushCurrent_v2") &&
           find(&ctx_pop_current, "cuCtxPopCurrent_v2") &&
           find(&mem_alloc, "cuMemAlloc_v2") &&
           find(&mem_free, "cuMemFree_v2") &&
           find(&memcpy_htod, "cuMemcpyHtoD_v2") &&
           find(&memcpy_dtoh, "cuMemcpyDtoH_v2") &&
           find(&get_error_name, "cuGetErrorName");
  }

  // "cuInit: CUDA_ERROR_UNKNOWN (999)"
  std::string Say(const char* function, int error) const {
    const char* name = nullptr;
    get_error_name(error, &name);
    return absl::StrCat(function, ": ", name ? name : "an unknown error", " (",
                        error, ")");
  }
};

CudaDriver::CudaDriver() : functions_(std::make_unique<Functions>()) {}
CudaDriver::CudaDriver(CudaDriver&&) = default;
CudaDriver::~CudaDriver() = default;

absl::StatusOr<CudaDriver> CudaDriver::Open() {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return absl::NotFoundError(
        "there is no NVIDIA driver (libcuda.so.1): install the driver and "
        "NVIDIA's container toolkit on the host, and run the container with "
        "--gpus all");
  }
  const auto broken = [](const std::string& what) {
    return absl::InternalError(
        absl::StrCat("the NVIDIA driver does not work (", what,
                     "): see that nvidia-smi works on the host; after an "
                     "update of the driver, restart the host"));
  };
  CudaDriver driver;
  Functions& cuda = *driver.functions_;
  const int init =
      cuda.Find(library) ? cuda.init(0) : -1;  // CUresult has no negative one
  if (init == -1) {
    return broken("libcuda.so.1 lacks functions of CUDA 11");
  }
  int count = 0;
  const int counted = init == 0 ? cuda.device_get_count(&count) : 0;
  if (init == kNoDevice || counted == kNoDevice ||
      (init == 0 && counted == 0 && count == 0)) {
    return absl::UnavailableError(
        "the NVIDIA driver sees no GPU: run the container with --gpus all, and "
        "look whether CUDA_VISIBLE_DEVICES or NVIDIA_VISIBLE_DEVICES hides it");
  }
  if (init != 0) return broken(cuda.Say("cuInit", init));
  if (counted != 0) return broken(cuda.Say("cuDeviceGetCount", counted));
  if (int e = cuda.driver_get_version(&driver.version_); e != 0) {
    return broken(cuda.Say("cuDriverGetVersion", e));
  }
  if (driver.version_ < kOldestDriver) {
    return absl::FailedPreconditionError(
        absl::StrCat("the NVIDIA driver is too old, it knows CUDA up to ",
                     driver.cuda_version(),
                     ": install release 450.80.02 or a later one on the host"));
  }
  for (int i = 0; i < count; ++i) {
    Gpu gpu;
    int device = 0;
    char name[256] = "";
    size_t memory = 0;
    int e = cuda.device_get(&device, i);
    if (e == 0) e = cuda.device_get_name(name, sizeof(name), device);
    if (e == 0) {
      e = cuda.device_get_attribute(&gpu.major, kCapabilityMajor, device);
    }
    if (e == 0) {
      e = cuda.device_get_attribute(&gpu.minor, kCapabilityMinor, device);
    }
    if (e == 0) e = cuda.device_total_mem(&memory, device);
    if (e != 0) return broken(cuda.Say("asking for a GPU", e));
    gpu.name = name;
    gpu.memory = memory;
    driver.gpus_.push_back(std::move(gpu));
  }
  return driver;
}

std::string CudaDriver::cuda_version() const { return Version(version_); }

absl::Status CudaDriver::CopyThereAndBack(int gpu) const {
  const Functions& cuda = *functions_;
  std::vector<unsigned char> sent(4 << 20), received(sent.size());
  for (size_t i = 0; i < sent.size(); ++i) {
    sent[i] = static_cast<unsigned char>(i * 31 + i / 251);
  }
  const auto failed = [&](const char* function, int error) {
    return absl::InternalError(cuda.Say(function, error));
  };
  int device = 0;
  void* context = nullptr;
  if (int e = cuda.device_get(&device, gpu); e != 0) {
    return failed("cuDeviceGet", e);
  }
  // The context that the CUDA runtime, and so Paddle, uses as well.
  if (int e = cuda.primary_ctx_retain(&context, device); e != 0) {
    return failed("cuDevicePrimaryCtxRetain", e);
  }
  const absl::Status status = [&] {
    if (int e = cuda.ctx_push_current(context); e != 0) {
      return failed("cuCtxPushCurrent", e);
    }
    uint64_t memory = 0;
    absl::Status copied;
    if (int e = cuda.mem_alloc(&memory, sent.size()); e != 0) {
      copied = failed("cuMemAlloc", e);
    } else {
      if (int e = cuda.memcpy_htod(memory, sent.data(), sent.size()); e != 0) {
        copied = failed("cuMemcpyHtoD", e);
      } else if (int e = cuda.memcpy_dtoh(received.data(), memory, sent.size());
                 e != 0) {
        copied = failed("cuMemcpyDtoH", e);
      } else if (received != sent) {
        copied = absl::DataLossError("what came back are other bytes");
      }
      cuda.mem_free(memory);
    }
    cuda.ctx_pop_current(&context);
    return copied;
  }();
  cuda.primary_ctx_release(device);
  return status;
}

absl::Status CheckCapability(const Gpu& gpu) {
  for (const auto& code : kMachineCode) {
    if (gpu.major == code.major && gpu.minor >= code.minor) {
      return absl::OkStatus();
    }
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "its compute capability is ", gpu.major, ".", gpu.minor,
      ", and the engine has machine code for 6.1, 7.0, 7.5, 8.0 and 8.6 (which "
      "also runs on a higher minor version): use another GPU, or the CPU"));
}

std::string NameOf(int number, const Gpu& gpu) {
  return absl::StrCat("GPU ", number, " (", gpu.name, ")");
}

}  // namespace engine
