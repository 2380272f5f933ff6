#include "cc/engine/engine.h"

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <new>
#include <optional>
#include <stdexcept>
#include <streambuf>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/base/data_type.h"
#include "cc/engine/gate.h"
#include "cc/engine/metadata.h"
#include "cc/engine/model_files.h"
#include "cc/engine/program.h"
#include "cc/engine/thread.h"
#include "cc/engine/value_checks.h"
#include "paddle_inference_api.h"

namespace engine {
namespace {

// Paddle counts elements and dimensions in int.
constexpr int64_t kMaxElements = std::numeric_limits<int>::max();
constexpr int kMaxThreads = 1024;

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

std::string Dims(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// Where a program still has the lines of Python that made its operators
// (op_callstack), Paddle puts them before its message, 50 of them, and writes
// the kind in another way: "In user code: ... OutOfRangeError: ...". The
// message as it is without them.
std::string WithoutCallStack(const std::string& what) {
  constexpr char kError[] = "Error: ";
  if (what.rfind("In user code:", 0) != 0) return what;
  for (size_t at = what.rfind(kError); at != std::string::npos && at > 0;
       at = what.rfind(kError, at - 1)) {
    const size_t line = what.rfind('\n', at) + 1;
    const size_t begin = what.find_first_not_of(' ', line);
    const std::string kind = what.substr(begin, at - begin);
    if (!std::all_of(kind.begin(), kind.end(), absl::ascii_isalpha)) continue;
    return absl::StrCat("(", kind, ") ", what.substr(at + std::strlen(kError)));
  }
  return what;
}

// Paddle's messages begin with a kind in brackets and a sentence, and go on
// with the failed C++ expression and its place, which help nobody here. The
// operator at fault comes last.
std::string Summary(const std::string& what) {
  constexpr size_t kShown = 600;
  std::string text = what.substr(0, what.find('\n'));
  text = text.substr(0, text.find(" (at /"));
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  // A damaged model's text may be any bytes; messages go into JSON logs.
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  const size_t begin = what.rfind("[operator < ");
  const size_t end = what.find(" >", begin);
  if (begin != std::string::npos && end != std::string::npos) {
    const std::string op = what.substr(begin + 12, end - begin - 12);
    absl::StrAppend(&text, " (operator ", op, ")");
  }
  return text;
}

bool IsKind(const std::string& what, const char* kind) {
  return what.compare(0, std::strlen(kind), kind) == 0;
}

// Calls f and turns what it throws into a status. `blame`: the code for errors
// that Paddle ascribes to what it was given.
absl::Status Guard(const std::string& action, absl::StatusCode blame,
                   const std::function<void()>& f) {
  try {
    f();
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat(action, " failed: not enough memory"));
  } catch (const std::exception& e) {
    const std::string what = WithoutCallStack(e.what());
    absl::StatusCode code = absl::StatusCode::kInternal;
    if (IsKind(what, "(ResourceExhausted)")) {
      code = absl::StatusCode::kResourceExhausted;
    } else if (IsKind(what, "(InvalidArgument)") ||
               IsKind(what, "(OutOfRange)") || IsKind(what, "(NotFound)") ||
               IsKind(what, "(Unimplemented)") ||
               IsKind(what, "(Unavailable)")) {
      code = blame;
    }
    return absl::Status(code, absl::StrCat(action, " failed: ", Summary(what)));
  } catch (...) {
    return absl::InternalError(
        absl::StrCat(action, " failed: an exception of unknown type"));
  }
}

// The shield (where oneDNN computes) against what Paddle 2.6.2 does to its
// oneDNN cache, which is one for the process (docs/engine.md, "What Paddle's
// cache does not bear"):
//
// - a thread that ends erases objects of the instance that it ran last, and
//   leaves those of others behind, which a later thread of the same id takes
//   for its own. So all that touches Paddle runs in threads that never end.
// - a load erases everything. So no model runs while one is loaded.
// - beyond a number of shapes the objects of one shape are erased, of all
//   instances; and with such a number given, each run counts all objects at its
//   end, without a lock, while others add theirs. So none is given, the shapes
//   that objects are found by are told by hand (ShapesText), and an instance
//   that has met kShapes replaces itself by a clone, whose cache is empty. So
//   does one that comes to run in another thread, as after a fork.
// - objects of recurrent layers are found by the shapes of the inputs and the
//   longest sequence, and made for a number of sequences. So an instance that
//   meets a shape again with other offsets (LoD) replaces itself too.

// Paddle's own number.
constexpr size_t kShapes = 10;

// Calls f, which throws nothing, in a thread that never ends: the caller's if
// it is one, else `thread`.
absl::Status Enduring(Thread* thread, const std::function<void()>& f) {
  if (Thread::Number() != 0) {
    f();
  } else if (!thread->Run(f)) {
    return absl::ResourceExhaustedError(
        "the engine needs a thread, and the system gives none: is there a "
        "limit of processes (pids) that others have reached?");
  }
  return absl::OkStatus();
}

// What Paddle itself makes of the shapes where the cache has a bound. Without
// it one key would serve all shapes, and recurrent layers overrun their memory.
std::string ShapesText(const std::vector<std::vector<int>>& shapes) {
  std::string text;
  for (const std::vector<int>& shape : shapes) {
    for (int dim : shape) absl::StrAppend(&text, dim, "-");
  }
  return text;
}

// Throws away what this process writes to std::cerr while it lives. The passes
// that make an int8 graph tell there, in colours, of each kind of operator that
// they found none of, whatever DisableGlogInfo says; nothing of ours, and
// nothing else of Paddle's, writes to std::cerr. One at a time. What other
// threads of the process write there meanwhile is lost with it.
class SilentCerr {
 public:
  SilentCerr() : buffer_(std::cerr.rdbuf(nullptr)) {}
  ~SilentCerr() { std::cerr.rdbuf(buffer_); }
  SilentCerr(const SilentCerr&) = delete;
  SilentCerr& operator=(const SilentCerr&) = delete;

 private:
  std::streambuf* const buffer_;
};

// Checks one input against its declaration and gives the shape as Paddle takes
// it.
absl::StatusOr<std::vector<int>> CheckInput(const TensorSpec& spec,
                                            const TensorView& input) {
  const auto invalid = [&](const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat("input ", spec.name, ": ", what));
  };
  if (input.dtype != spec.dtype) {
    return invalid(absl::StrCat("its type is ", NameOf(input.dtype),
                                ", the model takes ", NameOf(spec.dtype)));
  }
  if (input.shape.size() != spec.shape.size()) {
    return invalid(absl::StrCat("its shape ", Dims(input.shape), " has ",
                                input.shape.size(), " dimensions, the model ",
                                "takes ", Dims(spec.shape)));
  }
  std::vector<int> shape;
  int64_t elements = 1;
  for (size_t i = 0; i < spec.shape.size(); ++i) {
    const int64_t dim = input.shape[i];
    if (dim < 1 || (spec.shape[i] >= 0 && dim != spec.shape[i])) {
      return invalid(absl::StrCat("its shape is ", Dims(input.shape),
                                  ", the model takes ", Dims(spec.shape),
                                  " (-1: any number from 1)"));
    }
    if (dim > kMaxElements / elements) {
      return invalid(absl::StrCat("its shape ", Dims(input.shape),
                                  " has more than ", kMaxElements,
                                  " elements"));
    }
    elements *= dim;
    shape.push_back(static_cast<int>(dim));
  }
  if (absl::Status status = CheckLod(spec.lod_level, input.shape, input.lod);
      !status.ok()) {
    return invalid(std::string(status.message()));
  }
  const size_t bytes = static_cast<size_t>(elements) * SizeOf(spec.dtype);
  if (input.data.size() != bytes) {
    return invalid(absl::StrCat("it has ", input.data.size(), " bytes, ",
                                NameOf(spec.dtype), " of shape ",
                                Dims(input.shape), " has ", bytes));
  }
  if (absl::Status status = CheckValues(spec, input.data); !status.ok()) {
    return invalid(std::string(status.message()));
  }
  return shape;
}

// What an instance and its clones know of their model.
struct Model {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::vector<bool> shareable;     // Signature::shareable
  std::vector<ValueCheck> checks;  // beside the ranges of the inputs
  bool gpu = false;
  bool onednn = false;  // and so the shield
};

// The inputs of a run in the order of the specs, and their shapes as Paddle
// takes them.
struct Checked {
  std::vector<const TensorView*> inputs;
  std::vector<std::vector<int>> shapes;
};

absl::StatusOr<Checked> Check(const std::vector<TensorSpec>& specs,
                              const std::vector<TensorView>& inputs) {
  Checked checked;
  checked.inputs.resize(specs.size(), nullptr);
  for (const TensorView& input : inputs) {
    size_t i = 0;
    while (i < specs.size() && specs[i].name != input.name) ++i;
    if (i == specs.size()) {
      std::vector<std::string> names;
      for (const TensorSpec& spec : specs) names.push_back(spec.name);
      return absl::InvalidArgumentError(
          absl::StrCat("the model has no input ", input.name,
                       "; its inputs are: ", absl::StrJoin(names, ", ")));
    }
    if (checked.inputs[i] != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("input ", input.name, " is given twice"));
    }
    checked.inputs[i] = &input;
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    if (checked.inputs[i] == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("input ", specs[i].name, " is missing"));
    }
    absl::StatusOr<std::vector<int>> shape =
        CheckInput(specs[i], *checked.inputs[i]);
    if (!shape.ok()) return shape.status();
    checked.shapes.push_back(*std::move(shape));
  }
  return checked;
}

absl::StatusOr<Checked> Check(const Model& model,
                              const std::vector<TensorView>& inputs) {
  absl::StatusOr<Checked> checked = Check(model.inputs, inputs);
  if (!checked.ok()) return checked;
  absl::Status status = CheckRun(model.checks, model.inputs, checked->inputs);
  if (!status.ok()) return status;
  return checked;
}

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

// The names, types and shapes of a program's inputs or outputs. They are taken
// from the program and not from the predictor, which throws where an output is
// BOOL.
absl::StatusOr<std::vector<TensorSpec>> Specs(
    const std::string& end, const std::vector<NamedTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, desc, lod_level] : tensors) {
    // ParseTensorDesc has let no other number pass.
    const base::ProgramType& type = *base::ProgramTypeOf(desc.data_type);
    if (!type.engine_serves) {
      const char* wider =
          type.type && base::IsInteger(*type.type) ? "INT32" : "FP32";
      return absl::InvalidArgumentError(absl::StrCat(
          type.name, " of ", end, " ", name, " is not served: ",
          end == "input" ? absl::StrCat("declare it as ", wider,
                                        " and cast it in the model")
                         : absl::StrCat("cast it to ", wider),
          " before the export"));
    }
    specs.push_back({name, *type.type, desc.dims, lod_level});
  }
  return specs;
}

}  // namespace

// Throws what Paddle throws. Everything but model() must be called, and it
// must be destroyed, in a thread that never ends.
class Engine::Impl {
 public:
  Impl(std::shared_ptr<paddle_infer::Predictor> predictor,
       std::shared_ptr<const Model> model)
      : predictor_(std::move(predictor)), model_(std::move(model)) {
    Open();
  }

  std::unique_ptr<Impl> Clone() {
    return std::make_unique<Impl>(predictor_->Clone(/*stream=*/nullptr),
                                  model_);
  }

  const Model& model() const { return *model_; }

  void Release() {
    Renew();
    predictor_->TryShrinkMemory();
    malloc_trim(0);
  }

  // `share`: to compute on the inputs' bytes.
  absl::Status Run(const Checked& checked, bool share, OutputSink* sink) {
    if (model_->onednn) Shield(checked);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      Write(*checked.inputs[i], checked.shapes[i],
            share && model_->shareable[i], i);
    }
    if (!predictor_->Run()) throw std::runtime_error("Run returned false");
    for (size_t i = 0; i < outputs_.size(); ++i) {
      absl::Status status = Read(i, sink);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  void Open() {
    for (const TensorSpec& spec : model_->inputs) {
      inputs_.push_back(predictor_->GetInputHandle(spec.name));
    }
    for (const TensorSpec& spec : model_->outputs) {
      outputs_.push_back(predictor_->GetOutputHandle(spec.name));
    }
    shared_.assign(inputs_.size(), false);
  }

  // See "The shield", above.
  void Shield(const Checked& checked) {
    std::vector<Lod> lods;
    for (const TensorView* input : checked.inputs) lods.push_back(input->lod);
    const auto met = met_.find(checked.shapes);
    const bool elsewhere = thread_ != 0 && thread_ != Thread::Number();
    if (elsewhere ||
        (met == met_.end() ? met_.size() == kShapes : met->second != lods)) {
      Renew();
    }
    thread_ = Thread::Number();
    met_.emplace(checked.shapes, std::move(lods));
    phi::OneDNNContextThreadLocals::fetch().set_cur_input_shape_str(
        ShapesText(checked.shapes));
  }

  // With an executor of its own: what Paddle caches belongs to an executor and
  // goes with it. 0.3 ms; a run with a shape that is new takes 6 ms.
  void Renew() {
    std::shared_ptr<paddle_infer::Predictor> clone =
        predictor_->Clone(/*stream=*/nullptr);
    inputs_.clear();
    outputs_.clear();
    met_.clear();
    predictor_ = std::move(clone);
    Open();
  }

  void Write(const TensorView& input, const std::vector<int>& shape, bool share,
             size_t i) {
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

  template <typename T>
  static void ShareExternalData(paddle_infer::Tensor& tensor, const T* data,
                                const std::vector<int>& shape) {
    tensor.ShareExternalData(data, shape, paddle_infer::PlaceType::kCPU,
                             paddle_infer::DataLayout::kNCHW);
  }

  // Copies what the run left in an output.
  absl::Status Read(size_t i, OutputSink* sink) const {
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

  // The handles point into the predictor: they go first.
  std::shared_ptr<paddle_infer::Predictor> predictor_;
  std::shared_ptr<const Model> model_;
  std::vector<std::unique_ptr<paddle_infer::Tensor>> inputs_;
  std::vector<std::unique_ptr<paddle_infer::Tensor>> outputs_;
  std::vector<bool> shared_;  // inputs that have others' bytes
  // Shapes of inputs that Paddle may hold objects for, with their offsets.
  std::map<std::vector<std::vector<int>>, std::vector<Lod>> met_;
  uint64_t thread_ = 0;  // that it ran in; 0: it did not run
};

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
  Signature* const signature = &files->signature;
  absl::StatusOr<std::vector<TensorSpec>> inputs =
      Specs("input", signature->inputs);
  if (!inputs.ok()) return inputs.status();
  absl::StatusOr<std::vector<TensorSpec>> outputs =
      Specs("output", signature->outputs);
  if (!outputs.ok()) return outputs.status();
  std::vector<ValueCheck> checks =
      FillRanges(std::move(signature->checks), &*inputs);
  absl::Status narrowed = NarrowRangesByFile(options.model_dir, &*inputs);
  if (!narrowed.ok()) return narrowed;
  const auto model = std::make_shared<const Model>(
      Model{*std::move(inputs), *std::move(outputs),
            std::move(signature->shareable), std::move(checks),
            options.gpu.has_value(), options.onednn && !options.gpu});

  std::unique_ptr<Impl> impl;
  const auto load = [&] {
    return Guard(absl::StrCat("loading the model ", options.model_dir,
                              " with Paddle ", PaddleVersion()),
                 absl::StatusCode::kInvalidArgument, [&] {
                   // A file without parameters Paddle does not read.
                   paddle_infer::Config config(
                       files->program,
                       signature->parameters.empty() ? "" : files->parameters);
                   config.DisableGlogInfo();
                   config.SetCpuMathLibraryNumThreads(options.threads);
                   config.SetMkldnnCacheCapacity(0);  // "The shield", above
                   std::optional<SilentCerr> silent;
                   if (options.gpu) {
                     config.DisableMKLDNN();
                     config.EnableUseGpu(
                         static_cast<uint64_t>(options.gpu_memory_mb),
                         *options.gpu, paddle_infer::PrecisionType::kFloat32);
                   } else if (!options.onednn) {
                     config.DisableMKLDNN();
                   } else if (signature->quantised) {
                     config.EnableMkldnnInt8({"conv2d", "depthwise_conv2d"});
                     silent.emplace();
                   }
                   impl = std::make_unique<Impl>(
                       paddle_infer::CreatePredictor(config), model);
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
    done = Guard(action, blame, [&] { given = f(); });
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
