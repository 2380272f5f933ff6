// What `gpu-check` says, of the server and of `train`: the engine, NVIDIA's
// libraries, the driver, each GPU, and what is missing and how to mend it.
#ifndef CC_ENGINE_GPU_REPORT_H_
#define CC_ENGINE_GPU_REPORT_H_

#include <functional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engine {

// Exit codes.
enum GpuResult {
  kGpusWork = 0,
  kGpuCheckFailed = 1,   // it could not be found out
  kNoGpu = 3,            // no driver, or it sees no GPU; the CPU works
  kEngineHasNoCuda = 4,  // the GPUs may be fine
  kGpuBroken = 5,        // the driver or a GPU is there and does not work
};

// What every place says where the engine has no CUDA.
inline constexpr absl::string_view kNoCuda =
    "this engine is built without CUDA: use the image inference_gpu or "
    "train_gpu";

struct GpuCheck {
  std::string paddle_version;
  bool engine_has_cuda = false;
  // Runs a model on a GPU and on the CPU; returns what it found, for people.
  // UNAVAILABLE: there was nothing to run. Not called without CUDA.
  std::function<absl::StatusOr<std::string>(int gpu)> run_model;
};

// Writes line by line, as it finds out.
GpuResult ReportGpus(const GpuCheck& check, std::ostream& out);

}  // namespace engine

#endif  // CC_ENGINE_GPU_REPORT_H_
