#include "cc/engine/engine.h"

#include <cstring>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/engine/gate.h"
#include "cc/engine/inputs.h"
#include "cc/engine/instance.h"
#include "cc/engine/memory_file.h"
#include "cc/engine/metadata.h"
#include "cc/engine/model_files.h"
#include "cc/engine/openvino.h"
#include "cc/engine/paddle_errors.h"
#include "cc/engine/paddle_line.h"
#include "cc/engine/program.h"
#include "cc/engine/shield.h"
#include "cc/engine/thread.h"
#include "paddle_inference_api.h"

namespace engine {
namespace {

constexpr int kMaxThreads = 1024;

// Outputs as values.
class Values : public OutputSink {
 public:
  explicit Values(const std::vector<TensorSpec>& specs) : specs_(specs) {}

  absl::StatusOr<char*> Place(size_t index, DataType dtype,
                              const std::vector<int64_t>& shape, const Lod& lod,
                              size_t bytes) override {
    tensors_.push_back(
        {specs_[index].name, dtype, shape, std::string(bytes, '\0'), lod});
    return tensors_.back().data.data();
  }

  std::vector<Tensor>& tensors() { return tensors_; }

 private:
  const std::vector<TensorSpec>& specs_;
  std::vector<Tensor> tensors_;
};

}  // namespace

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() {
  if (impl_ == nullptr) return;
  const Gate::Run run(&turn_);
  const bool gone =
      run.status().ok() && Enduring(&thread_, [&] { impl_.reset(); }).ok();
  // Rather its memory than the process: in this thread Paddle would erase what
  // others compute with.
  if (!gone) impl_.release();
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Load(const Options& options) {
  if (options.model_dir.empty()) {
    return absl::InvalidArgumentError("no model directory was given");
  }
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads is ", options.threads, ", it must be from 1 to ",
                     kMaxThreads));
  }
  if (options.gpu && !BuiltWithCuda()) {
    return absl::FailedPreconditionError(
        "a GPU was asked for, and this engine is built without CUDA: use the "
        "image inference_gpu, or the CPU");
  }
  absl::StatusOr<ModelFiles> files = CheckModelFiles(options.model_dir);
  if (!files.ok()) return files.status();
  if (files->pir && !IsPaddle3()) {
    return absl::InvalidArgumentError(absl::StrCat(
        files->program, " is in Paddle 3's own format, and this is Paddle ",
        PaddleVersion(),
        ": use the image inference_paddle3, or export the model with "
        "FLAGS_enable_pir_api=0, which writes a .pdmodel"));
  }
  const bool onednn = base::kHasOneDnn &&
                      options.cpu_engine == CpuEngine::kOneDnn && !options.gpu;
  std::shared_ptr<OpenVinoPlace> openvino;
  if (IsOpenVino(options.cpu_engine) && !options.gpu) {
    absl::Status status = OpenVinoIsThere();
    if (status.ok()) status = CheckCpuFor(options.cpu_engine);
    if (status.ok()) status = CheckForOpenVino(*files);
    if (!status.ok()) return status;
    auto place = OpenVinoPlace::Take(files->signature);
    if (!place.ok()) return place.status();
    openvino = *std::move(place);
  }
  Signature* const signature = &files->signature;
  absl::StatusOr<std::vector<TensorSpec>> inputs =
      Specs("input", signature->inputs);
  if (!inputs.ok()) return inputs.status();
  absl::StatusOr<std::vector<TensorSpec>> outputs =
      Specs("output", signature->outputs);
  if (!outputs.ok()) return outputs.status();
  std::vector<base::ValueCheck> checks =
      FillRanges(std::move(signature->checks), &*inputs);
  absl::Status narrowed = NarrowRangesByFile(options.model_dir, &*inputs);
  if (!narrowed.ok()) return narrowed;
  const auto model = std::make_shared<const Model>(Model{
      *std::move(inputs), *std::move(outputs), std::move(signature->shareable),
      std::move(checks), std::move(signature->guarded.errors),
      options.gpu.has_value(), onednn, openvino});

  std::optional<MemoryFile> guarded;
  // CUDA's kernels are not what guards are made and tried for.
  if (!options.gpu && !signature->guarded.program.empty()) {
    absl::StatusOr<MemoryFile> file =
        MemoryFile::Of(signature->guarded.program);
    if (!file.ok()) return file.status();
    files->program = file->path();
    guarded = *std::move(file);
  }
  std::unique_ptr<Impl> impl;
  const auto load = [&] {
    return Catch(absl::StrCat("loading the model ", options.model_dir,
                              " with Paddle ", PaddleVersion()),
                 absl::StatusCode::kInvalidArgument, model->guards, [&] {
                   // A file without parameters Paddle does not read.
                   paddle_infer::Config config(
                       files->program,
                       signature->parameters.empty() ? "" : files->parameters);
                   config.DisableGlogInfo();
                   config.SetCpuMathLibraryNumThreads(options.threads);
                   // See shield.h. What Paddle was built without it complains
                   // about.
                   if (base::kHasOneDnn) SetOneDnnCacheCapacity(&config, 0);
                   // Tensors take the memory of others that are over. Not in
                   // Paddle 3's own format, whose executor frees them, and not
                   // beside guards: index_put gives other values there.
                   if (!files->pir && !guarded) config.EnableMemoryOptim(true);
                   std::optional<SilentCerr> silent;
                   if (options.gpu) {
                     DisableOneDnn(&config);
                     config.EnableUseGpu(
                         static_cast<uint64_t>(options.gpu_memory_mb),
                         *options.gpu, paddle_infer::PrecisionType::kFloat32);
                   } else if (openvino != nullptr) {
                     EnableOpenVino(options.cpu_engine, &config);
                   } else if (!onednn) {
                     DisableOneDnn(&config);
                   } else if (signature->quantised) {
                     EnableOneDnnInt8(&config, {"conv2d", "depthwise_conv2d"});
                     silent.emplace();
                   }
                   impl = std::make_unique<Impl>(
                       std::make_shared<Family>(
                           openvino ? CreateOpenVinoPredictor(config)
                                    : paddle_infer::CreatePredictor(config)),
                       model);
                 });
  };
  const Gate::Load alone;
  if (!alone.status().ok()) return alone.status();
  Thread thread;
  absl::Status loaded;
  absl::Status status = Enduring(&thread, [&] { loaded = load(); });
  status.Update(loaded);
  if (!status.ok()) return status;
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

absl::Status Engine::Do(const std::string& action, absl::StatusCode blame,
                        const std::function<absl::Status()>& f) {
  const Gate::Run run(&turn_);
  if (!run.status().ok()) return run.status();
  absl::Status done;
  absl::Status status = Enduring(&thread_, [&] {
    absl::Status given;
    done = Catch(action, blame, impl_->model().guards, [&] { given = f(); });
    done.Update(given);
  });
  status.Update(done);
  return status;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Clone() {
  std::unique_ptr<Impl> clone;
  absl::Status status =
      Do("cloning the model", absl::StatusCode::kInternal, [&] {
        clone = impl_->Clone();
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return std::unique_ptr<Engine>(new Engine(std::move(clone)));
}

absl::Status Engine::Release() {
  return Do("giving memory back", absl::StatusCode::kInternal, [&] {
    impl_->Release();
    return absl::OkStatus();
  });
}

const std::vector<TensorSpec>& Engine::inputs() const {
  return impl_->model().inputs;
}

const std::vector<TensorSpec>& Engine::outputs() const {
  return impl_->model().outputs;
}

const std::vector<base::ValueCheck>& Engine::checks() const {
  return impl_->model().checks;
}

absl::Status Engine::CheckInputs(const std::vector<TensorView>& inputs) const {
  return Check(impl_->model(), inputs).status();
}

absl::StatusOr<std::vector<Tensor>> Engine::Run(
    const std::vector<Tensor>& inputs) {
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) {
    views.push_back(
        {input.name, input.dtype, input.shape, input.data, input.lod});
  }
  return RunViews(views);
}

absl::StatusOr<std::vector<Tensor>> Engine::RunViews(
    const std::vector<TensorView>& inputs) {
  Values values(outputs());
  absl::Status status = RunInto(inputs, /*share_inputs=*/false, &values);
  if (!status.ok()) return status;
  return std::move(values.tensors());
}

absl::Status Engine::RunInto(const std::vector<TensorView>& inputs,
                             bool share_inputs, OutputSink* sink) {
  const absl::StatusOr<Checked> checked = Check(impl_->model(), inputs);
  if (!checked.ok()) return checked.status();
  const bool share = share_inputs && !impl_->model().gpu;
  for (const TensorView& input : inputs) {
    const auto address = reinterpret_cast<uintptr_t>(input.data.data());
    if (share && address % kShareAlignment != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "input ", input.name, ": its bytes do not begin at a multiple of ",
          kShareAlignment, ", as those of a shared input must"));
    }
  }
  // All that the model declares was checked: what Paddle still finds invalid is
  // in the dimensions that the model leaves open.
  return Do("running the model", absl::StatusCode::kInvalidArgument,
            [&] { return impl_->Run(*checked, share, sink); });
}

std::string PaddleVersion() {
  const std::string text = paddle_infer::GetVersion();
  constexpr char kKey[] = "version: ";
  const size_t at = text.find(kKey);
  if (at == std::string::npos) return text;
  const size_t begin = at + std::strlen(kKey);
  return text.substr(begin, text.find('\n', begin) - begin);
}

bool BuiltWithCuda() { return paddle::pybind::IsCompiledWithCUDA(); }

}  // namespace engine
