// Loads an exported Paddle model and runs it on the CPU or on an NVIDIA GPU.
//
//   engine::Options options;
//   options.model_dir = "/models/digits/1";
//   absl::StatusOr<std::unique_ptr<engine::Engine>> digits =
//       engine::Engine::Load(options);
//   if (!digits.ok()) return digits.status();
//   engine::Tensor image{"x", engine::DataType::kFloat32, {1, 1, 8, 8}, bytes};
//   absl::StatusOr<std::vector<engine::Tensor>> scores =
//       (*digits)->Run({image});
//
// The settings are those that Paddle has by itself, in Python and in C++, so
// the same model and input give the same bits in both. The convolutions of a
// quantised model (its program has operators quantize_linear) run in int8, as
// with enable_mkldnn_int8({"conv2d", "depthwise_conv2d"}) in Python; its matrix
// products do not: docs/slimming.md says why. Nothing of Paddle's headers is
// visible here and no exception leaves: errors are values.
#ifndef CC_ENGINE_ENGINE_H_
#define CC_ENGINE_ENGINE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/cpu_engine.h"
#include "cc/base/values.h"
#include "cc/engine/gate.h"
#include "cc/engine/tensor.h"
#include "cc/engine/thread.h"

namespace engine {

using base::CpuEngine;

struct Options {
  // Directory that holds model.pdmodel and model.pdiparams.
  std::string model_dir;
  // Threads of one Run. One is Paddle's default, and the one with equal bits
  // everywhere; for throughput, run clones in threads of your own.
  int threads = 1;
  // Each gives slightly other numbers. Plain, a quantised model computes in
  // float what it would in int8.
  //
  // With OpenVINO runs take turns, of all models of the process: more is
  // computed at a time by `threads` alone. It knows neither sequences (LoD) nor
  // the values that are checked in the run; such models are refused, and those
  // in Paddle 3's own format.
  CpuEngine cpu_engine = CpuEngine::kOneDnn;
  // The GPU to run on, as CUDA counts them; none: the CPU. Inputs and outputs
  // are in the host's memory all the same. Neither `threads` nor `cpu_engine`
  // says anything about a GPU.
  std::optional<int> gpu;
  // The first memory that Paddle takes of a GPU, in MiB; it takes more as it
  // needs. The first model of the process decides.
  int gpu_memory_mb = 100;
};

// Where the outputs of a run go.
class OutputSink {
 public:
  virtual ~OutputSink() = default;

  // Memory for the `bytes` bytes of output `index`, in the order of outputs().
  // It is filled before the next call, or the run's end. Type and shape are the
  // run's: a model may declare less than it gives. Called in the thread that
  // runs. An error ends the run, which returns it.
  virtual absl::StatusOr<char*> Place(size_t index, DataType dtype,
                                      const std::vector<int64_t>& shape,
                                      const Lod& lod, size_t bytes) = 0;
};

// What the bytes of a shared input begin at a multiple of.
constexpr size_t kShareAlignment = 64;

// One instance of a loaded model. One thread at a time runs it, others wait. To
// run at the same time, give each thread a Clone(): clones share the weights,
// and may outlive the instance that they were made from.
//
// Any thread may come and go: an instance has one of its own that never ends,
// in which it runs. From an engine::Thread (thread.h) it runs in that very
// thread, which saves the change. A load waits until nothing runs, and runs
// wait for it.
//
// A process may fork at any time: the fork waits for runs, up to two seconds,
// and the child goes on with its instances. Where a load, or a longer run, was
// under way, all of the engine is FAILED_PRECONDITION in the child.
class Engine {
 public:
  // NOT_FOUND: a file is missing. DATA_LOSS: a file is damaged, or the two are
  // not from one export. INVALID_ARGUMENT: the options, or a model that Paddle
  // refuses. RESOURCE_EXHAUSTED: not enough memory. FAILED_PRECONDITION: a GPU
  // was asked for, and the engine is built without CUDA; whether there is a GPU
  // that it runs on is better asked of CudaDriver (cuda_driver.h) before. Or
  // OpenVINO was, and it is not there, or has a model of the same names.
  static absl::StatusOr<std::unique_ptr<Engine>> Load(const Options& options);

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // INTERNAL or RESOURCE_EXHAUSTED, as a run.
  absl::StatusOr<std::unique_ptr<Engine>> Clone();

  // Gives the system what runs have taken, down to the weights. The next run
  // takes it again, and is as slow as a first one.
  absl::Status Release();

  const std::vector<TensorSpec>& inputs() const;
  const std::vector<TensorSpec>& outputs() const;
  // What a run checks beside the inputs' ranges.
  const std::vector<base::ValueCheck>& checks() const;

  // Takes every input exactly once, in any order, and returns all outputs in
  // the order of outputs(). INVALID_ARGUMENT: an input is unknown, missing or
  // given twice; its type, rank, a fixed dimension, its offsets (LoD) or its
  // number of bytes is wrong; or the model cannot compute with the variable
  // dimensions given.
  // RESOURCE_EXHAUSTED: not enough memory, or no thread to be had. INTERNAL:
  // the engine failed. After any of them the instance can be used again.
  absl::StatusOr<std::vector<Tensor>> Run(const std::vector<Tensor>& inputs);

  // The same for bytes that lie elsewhere and stay there until it returns.
  absl::StatusOr<std::vector<Tensor>> RunViews(
      const std::vector<TensorView>& inputs);

  // The same without copies: each output is copied once, to where the sink
  // wants it. With share_inputs, on a CPU, the model computes on the inputs'
  // bytes themselves. They must be aligned to kShareAlignment and belong to
  // this run: operators that work in place may write to them. (Memory that is
  // shared with others is mapped MAP_PRIVATE.) Some inputs are copied all the
  // same: those that Paddle could still write to in a later run.
  absl::Status RunInto(const std::vector<TensorView>& inputs, bool share_inputs,
                       OutputSink* sink);

  // What a run says of its inputs before it begins.
  absl::Status CheckInputs(const std::vector<TensorView>& inputs) const;

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  // Calls f, which may throw what Paddle throws, where and when it may touch
  // Paddle.
  absl::Status Do(const std::string& action, absl::StatusCode blame,
                  const std::function<absl::Status()>& f);
  Turn turn_;
  Thread thread_;  // used by whoever has the turn
  std::unique_ptr<Impl> impl_;
};

// Version of the engine library, as "2.6.2".
std::string PaddleVersion();

// Whether the engine library can use GPUs: that of paddlepaddle-gpu can.
bool BuiltWithCuda();

// Whether it can use OpenVINO; else an error that says what to do.
absl::Status OpenVinoIsThere();

}  // namespace engine

#endif  // CC_ENGINE_ENGINE_H_
