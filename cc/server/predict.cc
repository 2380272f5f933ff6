// `server predict`: one model, one request, from file to file. The JSON form
// takes and gives the very bodies of the HTTP protocol; the npy form takes and
// gives NumPy arrays.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/engine/engine.h"
#include "cc/engine/npy.h"
#include "cc/frontend/rest/decode.h"
#include "cc/frontend/rest/encode.h"
#include "cc/infer/validate.h"
#include "cc/server/commands.h"
#include "cc/server/device.h"
#include "cc/server/model_flags.h"
#include "cc/server/read_file.h"

namespace server {
namespace {

struct PredictFlags {
  std::string model;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::string format;
  std::optional<int64_t> threads;
  std::optional<base::CpuEngine> cpu_engine;
  DeviceFlags device;

  void Register(CLI::App* app) {
    app->add_option("--model", model,
                    "Directory with model.pdmodel and model.pdiparams.")
        ->required();
    app->add_option("--input", inputs,
                    "File to read, - is the standard input. For npy NAME=FILE, "
                    "once for each input; the name may go if there is one. "
                    "Offsets of sequences (LoD) of x.npy lie in x.lod.npy.")
        ->required()
        ->take_all()
        ->allow_extra_args(false)
        ->default_str("");
    app->add_option("--output", outputs,
                    "File to write, - is the standard output (the default). "
                    "For npy NAME=FILE, once for each output wanted; the name "
                    "may go if there is one.")
        ->take_all()
        ->allow_extra_args(false)
        ->default_str("");
    app->add_option("--format", format,
                    "json (bodies of the Open Inference Protocol) or npy; by "
                    "default npy if an input's name ends in .npy.")
        ->check(CLI::IsMember({"json", "npy"}));
    app->add_option("--threads", threads,
                    absl::StrCat("Threads to compute with; without it as ",
                                 kModelFile, " beside the model says, or 1."))
        ->check(CLI::Range(1, 1024));
    ModelFlags::AddCpuEngine(
        app, " Without it as that file says, or onednn.",
        [this](base::CpuEngine given) { cpu_engine = given; });
    device.Register(app);
  }
};

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  if (path != "-") return ReadFile(path);
  std::ostringstream bytes;
  bytes << std::cin.rdbuf();
  return bytes.str();
}

absl::Status WriteAll(const std::string& path, const std::string& bytes) {
  if (path == "-") {
    std::cout << bytes << std::flush;
    return std::cout ? absl::OkStatus()
                     : absl::DataLossError("cannot write standard output");
  }
  std::ofstream file(path, std::ios::binary);
  file << bytes << std::flush;
  return file ? absl::OkStatus()
              : absl::DataLossError(absl::StrCat("cannot write ", path));
}

// NAME=FILE, or FILE alone if there is but one that it can be.
absl::StatusOr<std::pair<std::string, std::string>> NameAndFile(
    const std::string& argument, const std::vector<engine::TensorSpec>& specs) {
  const size_t equals = argument.find('=');
  if (equals != argument.npos) {
    return std::make_pair(argument.substr(0, equals),
                          argument.substr(equals + 1));
  }
  if (specs.size() == 1) return std::make_pair(specs[0].name, argument);
  return absl::InvalidArgumentError(absl::StrCat(
      "the model has ", specs.size(), " of them, the first is \"",
      specs.empty() ? "" : specs[0].name, "\": write NAME=", argument));
}

// REPOSITORY/NAME/VERSION is called as a server would call it.
infer::ModelInfo Describe(const std::string& directory,
                          const engine::Engine& model) {
  std::filesystem::path path =
      std::filesystem::absolute(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  infer::ModelInfo info;
  info.name = path.filename().string();
  info.version = "1";
  if (info.name.find_first_not_of("0123456789") == info.name.npos) {
    info.version = info.name;
    info.name = path.parent_path().filename().string();
  }
  info.platform = "paddle_inference";
  info.inputs = model.inputs();
  info.outputs = model.outputs();
  // Of one's own machine one may ask what one wants.
  info.max_batch_size = std::numeric_limits<int32_t>::max();
  return info;
}

absl::StatusOr<infer::Request> ReadRequest(const PredictFlags& flags, bool npy,
                                           const infer::ModelInfo& model) {
  if (!npy) {
    if (flags.inputs.size() != 1 || flags.outputs.size() > 1) {
      return absl::InvalidArgumentError(
          "json has one --input and one --output");
    }
    const auto body = ReadAll(flags.inputs[0]);
    if (!body.ok()) return body.status();
    rest::Body json;
    json.bytes = absl::Cord(*body);
    // There is no header here that would tell binary data from JSON.
    auto decoded = rest::DecodeInferRequest(model, json, /*budget=*/nullptr);
    if (!decoded.ok()) return decoded.status();
    return std::move(decoded->request);
  }
  infer::Request request;
  for (const std::string& argument : flags.inputs) {
    const auto input = NameAndFile(argument, model.inputs);
    if (!input.ok()) return input.status();
    const auto bytes = ReadAll(input->second);
    if (!bytes.ok()) return bytes.status();
    auto tensor = engine::ReadNpy(*bytes);
    if (!tensor.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(input->second, ": ", tensor.status().message()));
    }
    if (absl::Status lod = engine::ReadLod(input->second, &*tensor);
        !lod.ok()) {
      return lod;
    }
    request.inputs.push_back({input->first, tensor->dtype, tensor->shape,
                              absl::Cord(std::move(tensor->data)),
                              std::move(tensor->lod)});
  }
  return request;
}

absl::Status WriteResults(const PredictFlags& flags, bool npy,
                          const infer::ModelInfo& model,
                          const infer::Request& request,
                          const std::vector<engine::Tensor>& results) {
  const std::vector<std::string> outputs =
      flags.outputs.empty() ? std::vector<std::string>{"-"} : flags.outputs;
  if (!npy) {
    std::vector<infer::Tensor> tensors;
    for (const engine::Tensor& result : results) {
      if (request.outputs.empty() ||
          std::count(request.outputs.begin(), request.outputs.end(),
                     result.name) > 0) {
        tensors.push_back({result.name, result.dtype, result.shape,
                           absl::Cord(result.data), result.lod});
      }
    }
    const auto encoded =
        rest::EncodeInferResponse(model, request.id, {}, tensors,
                                  /*budget=*/nullptr);
    if (!encoded.ok()) return encoded.status();
    return WriteAll(outputs[0], std::string(encoded->body) + "\n");
  }
  for (const std::string& argument : outputs) {
    const auto output = NameAndFile(argument, model.outputs);
    if (!output.ok()) return output.status();
    bool found = false;
    for (const engine::Tensor& result : results) {
      if (result.name != output->first) continue;
      found = true;
      absl::Status status = WriteAll(output->second, engine::WriteNpy(result));
      status.Update(engine::WriteLod(output->second, result));
      if (!status.ok()) return status;
    }
    if (!found) {
      return absl::InvalidArgumentError(
          absl::StrCat("the model has no output \"", output->first, "\""));
    }
  }
  return absl::OkStatus();
}

absl::Status PredictOnce(const PredictFlags& flags) {
  const bool npy =
      flags.format == "npy" ||
      (flags.format.empty() && absl::EndsWith(flags.inputs[0], ".npy"));
  engine::Options options;
  options.model_dir = flags.model;
  const auto own = ModelFlags().Of(flags.model);
  if (!own.ok()) return own.status();
  options.threads = static_cast<int>(flags.threads.value_or(own->threads));
  options.cpu_engine = flags.cpu_engine.value_or(own->Compute().cpu_engine);
  auto devices = ChooseDevices(flags.device.device, engine::BuiltWithCuda());
  if (!devices.ok()) return devices.status();
  if (!devices->gpus.empty()) options.gpu = devices->gpus[0];
  options.gpu_memory_mb = static_cast<int>(flags.device.gpu_memory_mb);
  auto engine = engine::Engine::Load(options);
  if (!engine.ok()) return engine.status();
  const infer::ModelInfo model = Describe(flags.model, **engine);
  const auto request = ReadRequest(flags, npy, model);
  if (!request.ok()) return request.status();
  if (absl::Status status = infer::Validate(model, *request); !status.ok()) {
    return status;
  }
  std::vector<engine::Tensor> inputs;
  for (const infer::Tensor& input : request->inputs) {
    inputs.push_back({input.name, input.dtype, input.shape,
                      std::string(input.data), input.lod});
  }
  const auto results = (*engine)->Run(inputs);
  if (!results.ok()) return results.status();
  return WriteResults(flags, npy, model, *request, *results);
}

}  // namespace

Command AddPredict(CLI::App* program) {
  CLI::App* app = program->add_subcommand(
      "predict", "Runs a model once, from file to file.");
  const auto flags = std::make_shared<PredictFlags>();
  flags->Register(app);
  return {app, [flags] {
            const absl::Status status = PredictOnce(*flags);
            return status.ok() ? 0 : Failed(status);
          }};
}

}  // namespace server
