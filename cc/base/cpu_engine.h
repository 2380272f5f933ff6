// What a model is computed with on a CPU.
#ifndef CC_BASE_CPU_ENGINE_H_
#define CC_BASE_CPU_ENGINE_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>

namespace base {

// Each gives answers of its own bits.
enum class CpuEngine {
  kOneDnn,            // Paddle's default
  kOpenVino,          // of Paddle 3 on x86-64: faster, for networks it knows
  kPlain,             // Paddle's own kernels: slower, bits of the dynamic graph
  kOpenVinoBfloat16,  // with 8 bits of a number's 24, on CPUs that have them
};

inline bool IsOpenVino(CpuEngine engine) {
  return engine == CpuEngine::kOpenVino ||
         engine == CpuEngine::kOpenVinoBfloat16;
}

// Whether Paddle's libraries have oneDNN: its wheels for other machines come
// without (//bazel/platforms:paddle.bzl).
#if defined(__x86_64__)
inline constexpr bool kHasOneDnn = true;
#else
inline constexpr bool kHasOneDnn = false;
#endif

// By number, as the options of programs and messages have them.
inline constexpr std::array<const char*, 4> kCpuEngines = {
    "onednn", "openvino", "plain", "openvino_bfloat16"};

inline const char* NameOf(CpuEngine engine) {
  return kCpuEngines[static_cast<size_t>(engine)];
}

inline std::optional<CpuEngine> CpuEngineOf(const std::string& name) {
  for (size_t i = 0; i < kCpuEngines.size(); ++i) {
    if (kCpuEngines[i] == name) return static_cast<CpuEngine>(i);
  }
  return std::nullopt;
}

}  // namespace base

#endif  // CC_BASE_CPU_ENGINE_H_
