// `server predict`: one model, one request, from file to file. The JSON form
// takes and gives the very bodies of the HTTP protocol; the npy form takes and
// gives NumPy arrays.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/engine/npy.h"
#include "cc/server/commands.h"
#include "cc/server/decode.h"
#include "cc/server/device.h"
#include "cc/server/encode.h"
#include "cc/server/paddle_backend.h"
#include "cc/server/protocol.h"
#include "cc/server/validate.h"

namespace server {
namespace {

struct PredictFlags {
  std::string model;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::string format;
  int64_t threads = 1;
  int64_t onednn = 1;
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
    app->add_option("--threads", threads, "Threads to compute with.")
        ->check(CLI::Range(1, 1024));
    app->add_option("--onednn", onednn,
                    "1 computes with oneDNN; 0 without, slower, but with the "
                    "very bits of the dynamic graph.")
        ->check(CLI::Range(0, 1));
    device.Register(app);
  }
};

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  std::ostringstream bytes;
  if (path == "-") {
    bytes << std::cin.rdbuf();
    return bytes.str();
  }
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    return absl::NotFoundError(absl::StrCat("cannot read ", path));
  }
  bytes << file.rdbuf();
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
ModelInfo Describe(const std::string& directory, const LoadedModel& model) {
  std::filesystem::path path =
      std::filesystem::absolute(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::string name = path.filename().string();
  std::string version = "1";
  if (name.find_first_not_of("0123456789") == name.npos) {
    version = name;
    name = path.parent_path().filename().string();
  }
  return {name, version, model.platform, model.inputs, model.outputs};
}

absl::StatusOr<InferRequest> ReadRequest(const PredictFlags& flags, bool npy,
                                         const ModelInfo& model) {
  if (!npy) {
    if (flags.inputs.size() != 1 || flags.outputs.size() > 1) {
      return absl::InvalidArgumentError(
          "json has one --input and one --output");
    }
    const auto body = ReadAll(flags.inputs[0]);
    if (!body.ok()) return body.status();
    auto request = DecodeInferRequest(*body, std::nullopt);
    if (!request.ok()) return request;
    // There is no header here that would tell binary data from JSON.
    request->binary_outputs = false;
    for (RequestedOutput& output : request->outputs) output.binary = false;
    return request;
  }
  InferRequest request;
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
    tensor->name = input->first;
    if (absl::Status lod = engine::ReadLod(input->second, &*tensor);
        !lod.ok()) {
      return lod;
    }
    request.inputs.push_back(*std::move(tensor));
  }
  return request;
}

absl::Status WriteResults(const PredictFlags& flags, bool npy,
                          const ModelInfo& model, const InferRequest& request,
                          const std::vector<engine::Tensor>& results) {
  const std::vector<std::string> outputs =
      flags.outputs.empty() ? std::vector<std::string>{"-"} : flags.outputs;
  if (!npy) {
    const auto encoded = EncodeInferResponse(model, request, results);
    if (!encoded.ok()) return encoded.status();
    return WriteAll(outputs[0], encoded->body + "\n");
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
  PaddleOptions options;
  options.threads = static_cast<int>(flags.threads);
  options.onednn = flags.onednn != 0;
  auto devices = ChooseDevices(flags.device.device, PaddleHasCuda());
  if (!devices.ok()) return devices.status();
  if (!devices->gpus.empty()) options.gpus = {devices->gpus[0]};
  options.gpu_memory_mb = static_cast<int>(flags.device.gpu_memory_mb);
  auto loaded = PaddleLoader(options)(flags.model);
  if (!loaded.ok()) return loaded.status();
  const ModelInfo model = Describe(flags.model, *loaded);
  const auto request = ReadRequest(flags, npy, model);
  if (!request.ok()) return request.status();
  if (absl::Status status = ValidateRequest(model, *request); !status.ok()) {
    return status;
  }
  const auto results = loaded->instances[0]->Run(request->inputs);
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
