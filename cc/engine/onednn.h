// Whether Paddle's libraries compute with oneDNN where this is compiled for.
#ifndef CC_ENGINE_ONEDNN_H_
#define CC_ENGINE_ONEDNN_H_

namespace engine {

// Paddle's wheels for other machines come without it
// (//bazel/platforms:paddle.bzl).
#if defined(__x86_64__)
inline constexpr bool kHasOneDnn = true;
#else
inline constexpr bool kHasOneDnn = false;
#endif

}  // namespace engine

#endif  // CC_ENGINE_ONEDNN_H_
