// A predictor as one writes it first: loads a model, runs it once, prints the
// scores.
#include <cstdio>
#include <string>
#include <vector>

#include "paddle_inference_api.h"

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "/models/digits/1";
  paddle_infer::Config config(folder + "/model.pdmodel",
                              folder + "/model.pdiparams");
  config.DisableGlogInfo();
  auto predictor = paddle_infer::CreatePredictor(config);
  auto input = predictor->GetInputHandle(predictor->GetInputNames()[0]);
  input->Reshape({1, 1, 8, 8});
  input->CopyFromCpu(std::vector<float>(64, 0.5F).data());
  if (!predictor->Run()) return 1;
  auto output = predictor->GetOutputHandle(predictor->GetOutputNames()[0]);
  std::vector<float> scores(10);
  output->CopyToCpu(scores.data());
  for (float score : scores) std::printf("%g\n", score);
  return 0;
}
