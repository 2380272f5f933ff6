#include "cc/server/paddle_backend.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "cc/engine/engine.h"

namespace server {
namespace {

class PaddleInstance : public Instance {
 public:
  explicit PaddleInstance(std::unique_ptr<engine::Engine> engine)
      : engine_(std::move(engine)) {}

  absl::StatusOr<std::vector<engine::Tensor>> Run(
      const std::vector<engine::Tensor>& inputs) override {
    return engine_->Run(inputs);
  }

 private:
  const std::unique_ptr<engine::Engine> engine_;
};

}  // namespace

ModelLoader PaddleLoader(const PaddleOptions& paddle) {
  return [paddle](const std::string& directory) -> absl::StatusOr<LoadedModel> {
    engine::Options options;
    options.model_dir = directory;
    options.threads = paddle.threads;
    options.onednn = paddle.onednn;
    options.gpu_memory_mb = paddle.gpu_memory_mb;
    LoadedModel model{"paddle_inference", {}, {}, {}};
    // Weights are shared on one device, so each has a load of its own.
    const int devices = std::max(1, static_cast<int>(paddle.gpus.size()));
    const int instances = std::max(paddle.instances, devices);
    for (int device = 0; device < devices; ++device) {
      if (!paddle.gpus.empty()) options.gpu = paddle.gpus[device];
      auto first = engine::Engine::Load(options);
      if (!first.ok()) return first.status();
      model.inputs = (*first)->inputs();
      model.outputs = (*first)->outputs();
      for (int i = device + devices; i < instances; i += devices) {
        auto clone = (*first)->Clone();
        if (!clone.ok()) return clone.status();
        model.instances.push_back(
            std::make_unique<PaddleInstance>(*std::move(clone)));
      }
      model.instances.push_back(
          std::make_unique<PaddleInstance>(*std::move(first)));
    }
    return model;
  };
}

std::string PaddleVersion() { return engine::PaddleVersion(); }

bool PaddleHasCuda() { return engine::BuiltWithCuda(); }

}  // namespace server
