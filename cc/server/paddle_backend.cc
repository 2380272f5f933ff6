#include "cc/server/paddle_backend.h"

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
    auto first = engine::Engine::Load(options);
    if (!first.ok()) return first.status();
    LoadedModel model{
        "paddle_inference", (*first)->inputs(), (*first)->outputs(), {}};
    for (int i = 1; i < paddle.instances; ++i) {
      auto clone = (*first)->Clone();
      if (!clone.ok()) return clone.status();
      model.instances.push_back(
          std::make_unique<PaddleInstance>(*std::move(clone)));
    }
    model.instances.push_back(
        std::make_unique<PaddleInstance>(*std::move(first)));
    return model;
  };
}

std::string PaddleVersion() { return engine::PaddleVersion(); }

}  // namespace server
