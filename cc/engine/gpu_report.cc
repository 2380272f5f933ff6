#include "cc/engine/gpu_report.h"

#include <dlfcn.h>
#include <link.h>

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/engine/cuda_driver.h"

namespace engine {
namespace {

// Opens a library of NVIDIA's as Paddle would: by its name, or where the wheels
// lie around the engine.
void* OpenLibrary(const std::string& name, const std::string& wheel) {
  if (void* library = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
    return library;
  }
  void* const engine = dlopen("libpaddle.so", RTLD_LAZY | RTLD_NOLOAD);
  const link_map* map = nullptr;
  if (engine == nullptr || dlinfo(engine, RTLD_DI_LINKMAP, &map) != 0) {
    return nullptr;
  }
  const std::string path = map->l_name;  // .../paddle/base/libpaddle.so
  const std::string base = path.substr(0, path.rfind('/'));
  for (const std::string& directory :
       {base + "/../libs/", base + "/../../nvidia/" + wheel + "/lib/"}) {
    if (void* library =
            dlopen((directory + name).c_str(), RTLD_LAZY | RTLD_LOCAL)) {
      return library;
    }
  }
  return nullptr;
}

// The CUDA runtime's version as 11.8. The engine has a copy of its own inside,
// so it may be missing; and without a driver it does not tell (error 35).
std::string CudaRuntimeVersion() {
  void* const library = OpenLibrary("libcudart.so.11.0", "cuda_runtime");
  int version = 0;
  using Function = int (*)(int*);
  const auto get =
      library
          ? reinterpret_cast<Function>(dlsym(library, "cudaRuntimeGetVersion"))
          : nullptr;
  if (get == nullptr) {
    return "inside the engine (libcudart.so.11.0 is not here)";
  }
  if (get(&version) != 0) {
    return "libcudart.so.11.0 is here, and tells its version with a driver "
           "only";
  }
  return absl::StrCat(version / 1000, ".", version % 1000 / 10);
}

std::string CudnnVersion() {
  void* const library = OpenLibrary("libcudnn.so.8", "cudnn");
  using Function = size_t (*)();
  const auto get =
      library ? reinterpret_cast<Function>(dlsym(library, "cudnnGetVersion"))
              : nullptr;
  if (get == nullptr) {
    return "not found (libcudnn.so.8): convolutions will fail; use the image "
           "as it is";
  }
  const size_t version = get();
  return absl::StrCat(version / 1000, ".", version % 1000 / 100, ".",
                      version % 100);
}

GpuResult Conclude(std::ostream& out, GpuResult result,
                   const std::string& why) {
  out << "result: " << why << std::endl;
  return result;
}

// Whether the driver is at fault that is there, or there is none.
GpuResult ResultOf(const absl::Status& driver) {
  return absl::IsNotFound(driver) || absl::IsUnavailable(driver) ? kNoGpu
                                                                 : kGpuBroken;
}

}  // namespace

GpuResult ReportGpus(const GpuCheck& check, std::ostream& out) {
  out << "engine: Paddle " << check.paddle_version
      << (check.engine_has_cuda ? ", built with CUDA 11.8"
                                : ", built without CUDA")
      << std::endl;
  if (check.engine_has_cuda) {
    out << "CUDA runtime: " << CudaRuntimeVersion() << std::endl;
    out << "cuDNN: " << CudnnVersion() << std::endl;
  }
  const auto driver = CudaDriver::Open();
  if (!driver.ok()) {
    out << "driver: " << driver.status().message() << std::endl;
  } else {
    out << "driver: knows CUDA up to " << driver->cuda_version() << ", sees "
        << driver->gpus().size()
        << (driver->gpus().size() == 1 ? " GPU" : " GPUs") << std::endl;
  }
  std::vector<std::string> broken;
  bool unknown = false;
  for (int i = 0; driver.ok() && i < static_cast<int>(driver->gpus().size());
       ++i) {
    const Gpu& gpu = driver->gpus()[i];
    const std::string name = NameOf(i, gpu);
    out << name << ": compute capability " << gpu.major << "." << gpu.minor
        << ", " << (gpu.memory >> 20) << " MiB" << std::endl;
    const auto fails = [&](absl::string_view what, const absl::Status& status) {
      out << name << ": " << what << status.message() << std::endl;
      broken.push_back(name);
    };
    if (const absl::Status copied = driver->CopyThereAndBack(i); !copied.ok()) {
      fails("a tensor does not come back from it: ", copied);
      continue;
    }
    out << name << ": a tensor went there and back" << std::endl;
    if (const absl::Status fit = CheckCapability(gpu); !fit.ok()) {
      fails("does not run this engine: ", fit);
      continue;
    }
    if (!check.engine_has_cuda) continue;
    const auto ran = check.run_model(i);
    if (ran.ok()) {
      out << name << ": " << *ran << std::endl;
    } else if (absl::IsUnavailable(ran.status())) {
      out << name << ": no model was run: " << ran.status().message()
          << std::endl;
    } else if (absl::IsAborted(ran.status())) {
      out << name << ": " << ran.status().message() << std::endl;
      unknown = true;
    } else {
      fails("does not run a model: ", ran.status());
    }
  }
  if (!check.engine_has_cuda) {
    return Conclude(out, kEngineHasNoCuda,
                    absl::StrCat(kNoCuda, "; models run on the CPU"));
  }
  if (!driver.ok()) {
    const GpuResult result = ResultOf(driver.status());
    return Conclude(out, result,
                    result == kNoGpu
                        ? "no GPU, see above; models run on the CPU"
                        : "the driver does not work, see above");
  }
  if (!broken.empty()) {
    return Conclude(out, kGpuBroken,
                    absl::StrCat(absl::StrJoin(broken, ", "),
                                 broken.size() == 1 ? " does" : " do",
                                 " not work, see above"));
  }
  if (unknown) return Conclude(out, kGpuCheckFailed, "not known, see above");
  return Conclude(out, kGpusWork, "all GPUs work");
}

}  // namespace engine
