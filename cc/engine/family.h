// The predictors of one loaded model, which share its weights.
#ifndef CC_ENGINE_FAMILY_H_
#define CC_ENGINE_FAMILY_H_

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cc/engine/paddle_line.h"
#include "paddle_inference_api.h"

namespace engine {

// The destructor of a predictor of Paddle 3 empties all tensors of the scope
// that it shares with its clones, the weights
// (github.com/PaddlePaddle/Paddle/pull/70314). So there none of a family ends
// before all do: one that is given back rests until it is taken again. With
// Paddle 2 it ends at once. Thread-safe. Throws what Paddle throws.
class Family {
 public:
  // `loaded` has loaded the model, and runs nothing itself.
  explicit Family(std::shared_ptr<paddle_infer::Predictor> loaded)
      : loaded_(std::move(loaded)) {}

  std::unique_ptr<paddle_infer::Predictor> Take() {
    {
      const absl::MutexLock lock(&mutex_);
      if (!resting_.empty()) {
        std::unique_ptr<paddle_infer::Predictor> one =
            std::move(resting_.back());
        resting_.pop_back();
        return one;
      }
    }
    return loaded_->Clone(/*stream=*/nullptr);
  }

  void GiveBack(std::unique_ptr<paddle_infer::Predictor> one) {
    if (!IsPaddle3()) return;
    one->ClearIntermediateTensor();
    const absl::MutexLock lock(&mutex_);
    resting_.push_back(std::move(one));
  }

 private:
  const std::shared_ptr<paddle_infer::Predictor> loaded_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<paddle_infer::Predictor>> resting_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace engine

#endif  // CC_ENGINE_FAMILY_H_
