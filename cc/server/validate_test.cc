#include "cc/server/validate.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using engine::DataType;
using engine::Tensor;
using ::testing::HasSubstr;

ModelInfo Model() {
  return {"m",
          "1",
          "",
          {{"x", DataType::kFloat32, {-1, 2}}, {"n", DataType::kInt64, {1}}},
          {{"y", DataType::kFloat32, {-1}}, {"z", DataType::kFloat32, {-1}}}};
}

std::vector<Tensor> Inputs() {
  return {{"n", DataType::kInt64, {1}, ""},
          {"x", DataType::kFloat32, {3, 2}, ""}};
}

std::string Error(std::vector<Tensor> inputs,
                  std::vector<RequestedOutput> outputs = {}) {
  InferRequest request;
  request.inputs = std::move(inputs);
  request.outputs = std::move(outputs);
  return std::string(ValidateRequest(Model(), request).message());
}

TEST(ValidateRequest, TakesWhatFits) {
  EXPECT_EQ(Error(Inputs()), "");
  EXPECT_EQ(Error(Inputs(), {{"z", false}, {"y", true}}), "");
}

TEST(ValidateRequest, SaysWhatDoesNot) {
  auto inputs = Inputs();
  inputs[1].dtype = DataType::kFloat64;
  EXPECT_EQ(Error(inputs),
            "model \"m\" version 1: input \"x\" is FP64 [3,2], wanted FP32 "
            "[-1,2] (-1: any positive number)");
  inputs = Inputs();
  inputs[1].shape = {3, 3};
  EXPECT_THAT(Error(inputs), HasSubstr("is FP32 [3,3]"));
  inputs[1].shape = {0, 2};
  EXPECT_THAT(Error(inputs), HasSubstr("is FP32 [0,2]"));
  inputs[1].shape = {2};
  EXPECT_THAT(Error(inputs), HasSubstr("is FP32 [2]"));
  inputs = Inputs();
  inputs.pop_back();
  EXPECT_THAT(Error(inputs), HasSubstr("input \"x\" is missing"));
  inputs = Inputs();
  inputs.push_back(inputs[0]);
  EXPECT_THAT(Error(inputs), HasSubstr("input \"n\" is given twice"));
  inputs = Inputs();
  inputs[0].name = "q";
  EXPECT_THAT(Error(inputs),
              HasSubstr("unknown input \"q\"; inputs are \"x\", \"n\""));
  EXPECT_THAT(Error(Inputs(), {{"q", false}}),
              HasSubstr("unknown output \"q\"; outputs are \"y\", \"z\""));
  EXPECT_THAT(Error(Inputs(), {{"y", false}, {"y", true}}),
              HasSubstr("\"y\" is asked for twice"));
}

TEST(ValidateRequest, ChecksOffsetsOfSequences) {
  ModelInfo model = Model();
  model.inputs[0].lod_level = 1;
  InferRequest request;
  request.inputs = Inputs();
  EXPECT_THAT(std::string(ValidateRequest(model, request).message()),
              HasSubstr("input \"x\": it has 0 levels of offsets (LoD), the "
                        "model takes 1"));
  request.inputs[1].lod = {{0, 1, 3}};
  EXPECT_EQ(ValidateRequest(model, request), absl::OkStatus());
  request.inputs[1].lod = {{0, 1, 4}};
  EXPECT_THAT(std::string(ValidateRequest(model, request).message()),
              HasSubstr("ends with 4, the tensor has 3 rows"));
  EXPECT_THAT(Error(request.inputs), HasSubstr("the model takes none"));
}

TEST(ValidateBatch, BoundsTheRowsThatAModelLeavesOpen) {
  InferRequest request;
  request.inputs = Inputs();
  EXPECT_EQ(ValidateBatch(Model(), request, 3), absl::OkStatus());
  EXPECT_EQ(ValidateBatch(Model(), request, 2),
            absl::InvalidArgumentError(
                "model \"m\" version 1: input \"x\" has "
                "3 rows; at most 2 (--max_batch_size) are computed at once"));
  ModelInfo fixed = Model();
  fixed.inputs[0].shape = {3, 2};
  EXPECT_EQ(ValidateBatch(fixed, request, 2), absl::OkStatus());
}

}  // namespace
}  // namespace server
