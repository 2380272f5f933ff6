// A program that holds a protobuf of its own and uses both it and the engine,
// whose library exports another one: the worst case for isolation_test.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.pb.h"
#include "paddle_inference_api.h"

namespace {

bool RoundTrip() {
  google::protobuf::FileDescriptorProto file;
  file.set_name("probe.proto");
  file.add_message_type()->set_name("Probe");
  google::protobuf::FileDescriptorProto copy;
  return copy.ParseFromString(file.SerializeAsString()) &&
         copy.message_type(0).name() == "Probe";
}

bool RunModel(const std::string& directory) {
  paddle_infer::Config config(directory + "/model.pdmodel",
                              directory + "/model.pdiparams");
  config.DisableGlogInfo();
  std::shared_ptr<paddle_infer::Predictor> predictor =
      paddle_infer::CreatePredictor(config);
  const std::string name = predictor->GetInputNames()[0];
  const std::vector<int64_t> declared = predictor->GetInputTensorShape()[name];
  std::vector<int> shape;
  size_t size = 1;
  for (int64_t dim : declared) {
    shape.push_back(dim < 0 ? 1 : static_cast<int>(dim));
    size *= static_cast<size_t>(shape.back());
  }
  std::unique_ptr<paddle_infer::Tensor> x = predictor->GetInputHandle(name);
  x->Reshape(shape);
  x->CopyFromCpu(std::vector<float>(size, 1.0f).data());
  return predictor->Run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: isolation_probe MODEL_DIRECTORY\n");
    return 2;
  }
  return RoundTrip() && RunModel(argv[1]) && RoundTrip() ? 0 : 1;
}
