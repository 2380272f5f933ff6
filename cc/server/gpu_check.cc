// `server gpu-check`: says whether models can run on the GPUs of this machine.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/engine/engine.h"
#include "cc/engine/gpu_report.h"
#include "cc/infer/scan.h"
#include "cc/server/commands.h"

namespace server {
namespace {

constexpr char kModels[] = "/models";

// A GPU sums in another order, and multiplies in TF32 (10 bits) from capability
// 8.0 on: what differs by more than this part of the largest output is wrong.
constexpr double kTolerance = 0.01;

// The first of /models by name; empty if there is none.
std::string AnyModel() {
  const auto found = infer::Scan(kModels);
  return found.ok() ? found->models.begin()->second.begin()->second.directory
                    : "";
}

// Numbers for an input, `open` in each of its variable dimensions but the
// first.
engine::Tensor MadeUp(const engine::TensorSpec& spec, int64_t open) {
  engine::Tensor tensor{spec.name, spec.dtype, spec.shape, "", {}};
  int64_t elements = 1;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t& dim = tensor.shape[i];
    if (dim < 0) dim = i == 0 ? 1 : open;
    elements *= dim;
  }
  // One sequence, in one group, and so on.
  for (int level = 0; level < spec.lod_level; ++level) {
    tensor.lod.push_back(
        {0, level + 1 < spec.lod_level ? int64_t{1} : tensor.shape[0]});
  }
  // Zeros are in any vocabulary and any range.
  tensor.data.resize(static_cast<size_t>(elements) *
                     engine::SizeOf(spec.dtype));
  if (spec.dtype == engine::DataType::kFloat32) {
    for (int64_t i = 0; i < elements; ++i) {
      const float value = static_cast<float>(i % 17) / 17;
      std::memcpy(&tensor.data[static_cast<size_t>(i) * sizeof(value)], &value,
                  sizeof(value));
    }
  }
  return tensor;
}

absl::StatusOr<std::vector<engine::Tensor>> RunOn(
    const std::string& directory, const std::optional<int>& gpu,
    const std::vector<engine::Tensor>* inputs,
    std::vector<engine::Tensor>* made_up) {
  engine::Options options;
  options.model_dir = directory;
  options.gpu = gpu;
  auto model = engine::Engine::Load(options);
  if (!model.ok()) return model.status();
  if (inputs != nullptr) return (*model)->Run(*inputs);
  absl::StatusOr<std::vector<engine::Tensor>> outputs;
  // Models of images and lines of text want room.
  for (int64_t open : {1, 32, 320}) {
    made_up->clear();
    for (const engine::TensorSpec& spec : (*model)->inputs()) {
      made_up->push_back(MadeUp(spec, open));
    }
    outputs = (*model)->Run(*made_up);
    if (outputs.ok()) break;
  }
  return outputs;
}

// The largest difference, as a part of the largest element of `expected`; 0 or
// infinity where elements are no floats.
double Difference(const engine::Tensor& expected, const engine::Tensor& got) {
  if (got.dtype != expected.dtype || got.shape != expected.shape ||
      got.lod != expected.lod) {
    return INFINITY;
  }
  if (expected.dtype != engine::DataType::kFloat32) {
    return got.data == expected.data ? 0 : INFINITY;
  }
  double largest = 0;
  double difference = 0;
  for (size_t at = 0; at < expected.data.size(); at += sizeof(float)) {
    float a, b;
    std::memcpy(&a, &expected.data[at], sizeof(a));
    std::memcpy(&b, &got.data[at], sizeof(b));
    if (!std::isfinite(a) || !std::isfinite(b)) return INFINITY;
    largest = std::max(largest, std::fabs(static_cast<double>(a)));
    difference = std::max(difference, std::fabs(static_cast<double>(a) - b));
  }
  return difference == 0 ? 0 : difference / largest;
}

// What ReportGpus asks for; ABORTED where the fault is not the GPU's.
absl::StatusOr<std::string> RunModel(const std::string& given, int gpu) {
  const std::string directory = given.empty() ? AnyModel() : given;
  if (directory.empty()) {
    return absl::UnavailableError(absl::StrCat(
        "there is none in ", kModels, "; name one with --model=DIRECTORY"));
  }
  std::vector<engine::Tensor> inputs;
  const auto expected = RunOn(directory, std::nullopt, nullptr, &inputs);
  if (!expected.ok()) {
    return absl::AbortedError(absl::StrCat(
        "the model ", directory,
        " does not run on the CPU with made-up inputs (",
        expected.status().message(), "): name another with --model=DIRECTORY"));
  }
  const auto outputs = RunOn(directory, gpu, &inputs, nullptr);
  if (!outputs.ok()) return outputs.status();
  double difference = 0;
  for (size_t i = 0; i < expected->size(); ++i) {
    difference =
        std::max(difference, Difference((*expected)[i], (*outputs)[i]));
  }
  const std::string found =
      absl::StrCat("of the model ", directory, " differ from the CPU's by ",
                   difference, " of the largest number");
  if (difference > kTolerance) {
    return absl::InternalError(
        absl::StrCat("its outputs ", found, ", more than ", kTolerance));
  }
  return absl::StrCat("the outputs ", found, ", as they may");
}

}  // namespace

Command AddGpuCheck(CLI::App* program) {
  CLI::App* app = program->add_subcommand(
      "gpu-check", "Says whether models can run on the GPUs of this machine.");
  app->footer(
      "Exit codes: 0 all GPUs work; 3 no driver, or it sees no GPU (the CPU "
      "works);\n4 this engine is built without CUDA; 5 the driver or a GPU is "
      "there but does\nnot work; 1 anything else.");
  const auto model = std::make_shared<std::string>();
  app->add_option("--model", *model,
                  "Directory with model.pdmodel and model.pdiparams to run on "
                  "each GPU; by default the first of /models/NAME/VERSION.")
      ->default_str("");
  return {app, [model]() -> int {
            engine::GpuCheck check;
            check.paddle_version = engine::PaddleVersion();
            check.engine_has_cuda = engine::BuiltWithCuda();
            check.run_model = [&](int gpu) { return RunModel(*model, gpu); };
            return engine::ReportGpus(check, std::cout);
          }};
}

}  // namespace server
