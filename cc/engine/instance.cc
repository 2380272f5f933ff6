#include "cc/engine/instance.h"

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "cc/base/freed_memory.h"
#include "cc/engine/openvino.h"
#include "cc/engine/paddle_line.h"

namespace engine {
namespace {

std::optional<DataType> FromPaddle(paddle_infer::DataType type) {
  switch (type) {
    case paddle_infer::FLOAT32:
      return DataType::kFloat32;
    case paddle_infer::INT64:
      return DataType::kInt64;
    case paddle_infer::INT32:
      return DataType::kInt32;
    case paddle_infer::UINT8:
      return DataType::kUint8;
    case paddle_infer::INT8:
      return DataType::kInt8;
    case paddle_infer::FLOAT16:
      return DataType::kFloat16;
    case paddle_infer::BOOL:
      return DataType::kBool;
    case paddle_infer::FLOAT64:
      return DataType::kFloat64;
    case paddle_infer::BFLOAT16:
      break;
  }
  return std::nullopt;
}

// Calls f with a null pointer to the C++ type of the elements.
template <typename F>
void WithElement(DataType type, F f) {
  switch (type) {
    case DataType::kBool:
      return f(static_cast<bool*>(nullptr));
    case DataType::kUint8:
      return f(static_cast<uint8_t*>(nullptr));
    case DataType::kInt8:
      return f(static_cast<int8_t*>(nullptr));
    case DataType::kInt32:
      return f(static_cast<int32_t*>(nullptr));
    case DataType::kInt64:
      return f(static_cast<int64_t*>(nullptr));
    case DataType::kFloat16:
      return f(static_cast<paddle_infer::float16*>(nullptr));
    case DataType::kFloat32:
      return f(static_cast<float*>(nullptr));
    case DataType::kFloat64:
      return f(static_cast<double*>(nullptr));
    default:  // not reached: Specs and FromPaddle give no other
      throw std::logic_error(absl::StrCat(NameOf(type), " in a tensor"));
  }
}

// Offsets as Paddle counts them (size_t), and back.
template <typename To, typename From>
std::vector<std::vector<To>> Convert(
    const std::vector<std::vector<From>>& levels) {
  std::vector<std::vector<To>> converted;
  for (const std::vector<From>& level : levels) {
    converted.emplace_back(level.begin(), level.end());
  }
  return converted;
}

template <typename T>
void ShareExternalData(paddle_infer::Tensor& tensor, const T* data,
                       const std::vector<int>& shape) {
  tensor.ShareExternalData(data, shape, paddle_infer::PlaceType::kCPU,
                           paddle_infer::DataLayout::kNCHW);
}

}  // namespace

Engine::Impl::Impl(std::shared_ptr<Family> family,
                   std::shared_ptr<const Model> model)
    : family_(std::move(family)),
      predictor_(family_->Take()),
      model_(std::move(model)) {
  Open();
}

Engine::Impl::~Impl() {
  inputs_.clear();
  outputs_.clear();
  family_->GiveBack(std::move(predictor_));
}

std::unique_ptr<Engine::Impl> Engine::Impl::Clone() {
  return std::make_unique<Impl>(family_, model_);
}

void Engine::Impl::Release() {
  Renew();
  predictor_->TryShrinkMemory();
  base::ReturnFreedMemory();
}

absl::Status Engine::Impl::Run(const Checked& checked, bool share,
                               OutputSink* sink) {
  const bool erase = model_->onednn && Prepare(checked);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Write(*checked.inputs[i], checked.shapes[i], share && model_->shareable[i],
          i);
  }
  const bool done = erase ? RunAndErase(checked.shapes)
                    : model_->openvino
                        ? RunOpenVino([this] { return predictor_->Run(); })
                        : predictor_->Run();
  if (!done) throw std::runtime_error("Run returned false");
  if (model_->onednn) shield_.End();
  for (size_t i = 0; i < outputs_.size(); ++i) {
    absl::Status status = Read(i, sink);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void Engine::Impl::Open() {
  for (const TensorSpec& spec : model_->inputs) {
    inputs_.push_back(predictor_->GetInputHandle(spec.name));
  }
  for (const TensorSpec& spec : model_->outputs) {
    outputs_.push_back(predictor_->GetOutputHandle(spec.name));
  }
  shared_.assign(inputs_.size(), false);
}

bool Engine::Impl::Prepare(const Checked& checked) {
  std::vector<Lod> lods;
  for (const TensorView* input : checked.inputs) lods.push_back(input->lod);
  const bool full = shield_.IsFull(checked.shapes, lods);
  const bool erase = full && IsPaddle3();
  const bool much = shield_.HoldsMuch();
  if (shield_.HasMoved() || (full && !erase)) Renew();
  // The next shape's objects are of other sizes and would come on top.
  if (much && full && !erase) base::ReturnFreedMemory();
  if (erase) shield_.Forget();
  shield_.Begin(checked.shapes, std::move(lods));
  return erase;
}

bool Engine::Impl::RunAndErase(const std::vector<std::vector<int>>& shapes) {
  bool done = false;
  std::exception_ptr error;
  std::thread thread;
  try {
    thread = std::thread([&] {
      try {
        TellShapes(shapes);
        done = predictor_->Run();
      } catch (...) {
        error = std::current_exception();
      }
    });
  } catch (const std::system_error&) {  // no thread is to be had: another time
    return predictor_->Run();
  }
  thread.join();
  base::ReturnFreedMemory();
  if (error) std::rethrow_exception(error);
  return done;
}

void Engine::Impl::Renew() {
  std::unique_ptr<paddle_infer::Predictor> other = family_->Take();
  inputs_.clear();
  outputs_.clear();
  shield_.Forget();
  std::swap(predictor_, other);
  family_->GiveBack(std::move(other));
  Open();
}

void Engine::Impl::Write(const TensorView& input, const std::vector<int>& shape,
                         bool share, size_t i) {
  paddle_infer::Tensor& tensor = *inputs_[i];
  WithElement(input.dtype, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    const T* data = reinterpret_cast<const T*>(input.data.data());
    if (share) {
      ShareExternalData(tensor, data, shape);
    } else {
      // Else the copy would go to where the last run's bytes were.
      if (shared_[i]) ShareExternalData(tensor, data, {0});
      tensor.Reshape(shape);
      tensor.CopyFromCpu(data);
    }
  });
  shared_[i] = share;
  if (model_->inputs[i].lod_level > 0) {
    tensor.SetLoD(Convert<size_t>(input.lod));
  }
}

absl::Status Engine::Impl::Read(size_t i, OutputSink* sink) const {
  const paddle_infer::Tensor& output = *outputs_[i];
  const std::optional<DataType> type = FromPaddle(output.type());
  if (!type) {
    throw std::runtime_error("output " + model_->outputs[i].name +
                             " has no known type");
  }
  const std::vector<int> dims = output.shape();
  const std::vector<int64_t> shape(dims.begin(), dims.end());
  size_t bytes = SizeOf(*type);
  for (int dim : dims) bytes *= static_cast<size_t>(dim);
  const absl::StatusOr<char*> place =
      sink->Place(i, *type, shape, Convert<int64_t>(output.lod()), bytes);
  if (!place.ok()) return place.status();
  if (bytes == 0) return absl::OkStatus();
  WithElement(*type, [&](auto* element) {
    using T = std::remove_pointer_t<decltype(element)>;
    output.CopyToCpu(reinterpret_cast<T*>(*place));
  });
  return absl::OkStatus();
}

}  // namespace engine
