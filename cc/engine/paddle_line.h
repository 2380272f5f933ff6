// A config's functions about oneDNN, by the names that the line of Paddle at
// hand has for them.
#ifndef CC_ENGINE_PADDLE_LINE_H_
#define CC_ENGINE_PADDLE_LINE_H_

#include <string>
#include <unordered_set>

#include "paddle_inference_api.h"

namespace engine {

inline bool IsPaddle3() { return paddle::paddle3::DisableOneDnn != nullptr; }

inline void DisableOneDnn(paddle_infer::Config* config) {
  if (IsPaddle3()) {
    paddle::paddle3::DisableOneDnn(config);
  } else {
    config->DisableMKLDNN();
  }
}

inline void EnableOneDnnInt8(paddle_infer::Config* config,
                             const std::unordered_set<std::string>& operators) {
  if (IsPaddle3()) {
    paddle::paddle3::EnableOneDnnInt8(config, operators);
  } else {
    config->EnableMkldnnInt8(operators);
  }
}

inline void SetOneDnnCacheCapacity(paddle_infer::Config* config, int shapes) {
  if (IsPaddle3()) {
    paddle::paddle3::SetOneDnnCacheCapacity(config, shapes);
  } else {
    config->SetMkldnnCacheCapacity(shapes);
  }
}

}  // namespace engine

#endif  // CC_ENGINE_PADDLE_LINE_H_
