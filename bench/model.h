// A model with one input and one output of FP32 whose first dimension is open:
// what the upper bounds of //bench:serving run, with nothing between them and
// Paddle. Errors are exceptions of the engine and end the program.
#ifndef BENCH_MODEL_H_
#define BENCH_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "paddle_inference_api.h"

namespace bench {

class Model {
 public:
  explicit Model(const std::string& folder) {
    paddle_infer::Config config(folder + "/model.pdmodel",
                                folder + "/model.pdiparams");
    config.DisableGlogInfo();
    config.SetCpuMathLibraryNumThreads(1);
    // As //cc/engine: every size of batch is a shape, of which oneDNN would
    // keep ten.
    config.SetMkldnnCacheCapacity(std::numeric_limits<int>::max());
    predictor_ = paddle_infer::CreatePredictor(config);
    const std::string input = predictor_->GetInputNames().at(0);
    input_ = predictor_->GetInputHandle(input);
    output_ = predictor_->GetOutputHandle(predictor_->GetOutputNames().at(0));
    const std::vector<int64_t> shape =
        predictor_->GetInputTensorShape().at(input);
    shape_.assign(shape.begin(), shape.end());
    row_floats_ = std::accumulate(shape_.begin() + 1, shape_.end(), size_t{1},
                                  std::multiplies<>());
  }

  size_t row_bytes() const { return row_floats_ * sizeof(float); }
  const std::string& output_name() const { return output_->name(); }

  // The engine's own buffer for a batch, to be filled before Run.
  char* Input(int rows) {
    shape_[0] = rows;
    input_->Reshape(shape_);
    return reinterpret_cast<char*>(
        input_->mutable_data<float>(paddle_infer::PlaceType::kCPU));
  }

  struct Output {
    const char* data;
    size_t row_bytes;
    std::vector<int> shape;
  };

  Output Run() {
    predictor_->Run();
    paddle_infer::PlaceType place;
    int elements = 0;
    const float* data = output_->data<float>(&place, &elements);
    std::vector<int> shape = output_->shape();
    const size_t bytes = sizeof(float) * static_cast<size_t>(elements) /
                         static_cast<size_t>(shape.at(0));
    return {reinterpret_cast<const char*>(data), bytes, std::move(shape)};
  }

 private:
  std::shared_ptr<paddle_infer::Predictor> predictor_;
  std::unique_ptr<paddle_infer::Tensor> input_, output_;
  std::vector<int> shape_;
  size_t row_floats_ = 0;
};

}  // namespace bench

#endif  // BENCH_MODEL_H_
