// NVIDIA's driver, as far as the engine's users ask it before Paddle does: is
// it there, which GPUs does it see, and does this engine run on them? Paddle's
// own answer is an exception with a C++ stack, or a kernel that never starts.
//
// The driver is libcuda.so.1, which no image has: NVIDIA's container toolkit
// puts the host's into a container. It is opened at run time, so the same
// program runs where there is none. Nothing here knows Paddle.
#ifndef CC_ENGINE_CUDA_DRIVER_H_
#define CC_ENGINE_CUDA_DRIVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace engine {

struct Gpu {
  std::string name;  // "NVIDIA A10"
  int major = 0;     // of the compute capability
  int minor = 0;
  uint64_t memory = 0;  // bytes
};

// Thread-safe. What it opened stays open: a driver cannot be unloaded.
class CudaDriver {
 public:
  // NOT_FOUND: there is no driver. UNAVAILABLE: it sees no GPU.
  // FAILED_PRECONDITION: it is too old for the engine. INTERNAL: it does not
  // work. Each says how to mend it.
  static absl::StatusOr<CudaDriver> Open();

  CudaDriver(CudaDriver&&);
  ~CudaDriver();

  // The newest CUDA that it knows, as "12.2".
  std::string cuda_version() const;
  // By the numbers that CUDA and Paddle count them by; at least one.
  const std::vector<Gpu>& gpus() const { return gpus_; }

  // Copies bytes to the memory of a GPU and back, and compares.
  absl::Status CopyThereAndBack(int gpu) const;

 private:
  struct Functions;
  CudaDriver();
  std::unique_ptr<Functions> functions_;
  int version_ = 0;
  std::vector<Gpu> gpus_;
};

// FAILED_PRECONDITION if the engine has no machine code for this GPU.
absl::Status CheckCapability(const Gpu& gpu);

// "GPU 0 (NVIDIA A10)"
std::string NameOf(int number, const Gpu& gpu);

}  // namespace engine

#endif  // CC_ENGINE_CUDA_DRIVER_H_
