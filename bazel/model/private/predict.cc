// predict MODEL_DIR onednn|plain OUT_DIR NAME=FILE.npy...
//
// Runs a model once by the C++ engine and writes OUT_DIR/NAME.npy for each
// output: the C++ side of paddle_parity_test.
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/engine/engine.h"
#include "cc/engine/npy.h"

namespace {

absl::StatusOr<engine::Tensor> ReadTensor(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("not NAME=FILE.npy: ", argument));
  }
  const std::string path = argument.substr(equals + 1);
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  absl::StatusOr<engine::Tensor> tensor = engine::ReadNpy(bytes.str());
  if (tensor.ok()) tensor->name = argument.substr(0, equals);
  return tensor;
}

absl::Status WriteTensor(const std::string& directory,
                         const engine::Tensor& tensor) {
  const std::string path = absl::StrCat(directory, "/", tensor.name, ".npy");
  std::ofstream file(path, std::ios::binary);
  file << engine::WriteNpy(tensor);
  file.close();
  if (!file) return absl::UnknownError(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

absl::Status Predict(const std::vector<std::string>& arguments) {
  if (arguments.size() < 4) {
    return absl::InvalidArgumentError(
        "usage: predict MODEL_DIR onednn|plain OUT_DIR NAME=FILE.npy...");
  }
  engine::Options options;
  options.model_dir = arguments[0];
  options.onednn = arguments[1] == "onednn";
  absl::StatusOr<std::unique_ptr<engine::Engine>> model =
      engine::Engine::Load(options);
  if (!model.ok()) return model.status();
  std::vector<engine::Tensor> inputs;
  for (size_t i = 3; i < arguments.size(); ++i) {
    absl::StatusOr<engine::Tensor> input = ReadTensor(arguments[i]);
    if (!input.ok()) return input.status();
    inputs.push_back(*std::move(input));
  }
  absl::StatusOr<std::vector<engine::Tensor>> outputs = (*model)->Run(inputs);
  if (!outputs.ok()) return outputs.status();
  for (const engine::Tensor& output : *outputs) {
    absl::Status written = WriteTensor(arguments[2], output);
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status =
      Predict(std::vector<std::string>(argv + 1, argv + argc));
  if (status.ok()) return 0;
  std::fprintf(stderr, "predict: %s\n", status.ToString().c_str());
  return 1;
}
