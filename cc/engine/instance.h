// One instance of a loaded model: Paddle's predictor, and its inputs and
// outputs.
#ifndef CC_ENGINE_INSTANCE_H_
#define CC_ENGINE_INSTANCE_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "cc/engine/engine.h"
#include "cc/engine/family.h"
#include "cc/engine/inputs.h"
#include "cc/engine/shield.h"
#include "paddle_inference_api.h"

namespace engine {

// Throws what Paddle throws. Everything but model() must be called, and it
// must be destroyed, in a thread that never ends.
class Engine::Impl {
 public:
  Impl(std::shared_ptr<Family> family, std::shared_ptr<const Model> model);
  ~Impl();

  std::unique_ptr<Impl> Clone();

  const Model& model() const { return *model_; }

  void Release();

  // `share`: to compute on the inputs' bytes.
  absl::Status Run(const Checked& checked, bool share, OutputSink* sink);

 private:
  void Open();
  // See shield.h. Whether the instance's objects must go with this run.
  bool Prepare(const Checked& checked);
  // Runs in a thread that ends, and Paddle's objects with it.
  bool RunAndErase(const std::vector<std::vector<int>>& shapes);
  // With an executor of its own: what Paddle caches belongs to an executor and
  // goes with it. 0.3 ms; a run with a shape that is new takes 6 ms.
  void Renew();
  void Write(const TensorView& input, const std::vector<int>& shape, bool share,
             size_t i);
  // Copies what the run left in an output.
  absl::Status Read(size_t i, OutputSink* sink) const;

  // The handles point into the predictor: they go first.
  const std::shared_ptr<Family> family_;
  std::unique_ptr<paddle_infer::Predictor> predictor_;
  const std::shared_ptr<const Model> model_;
  std::vector<std::unique_ptr<paddle_infer::Tensor>> inputs_;
  std::vector<std::unique_ptr<paddle_infer::Tensor>> outputs_;
  std::vector<bool> shared_;  // inputs that have others' bytes
  Shield shield_;
};

}  // namespace engine

#endif  // CC_ENGINE_INSTANCE_H_
