#include "cc/infer/validate.h"

#include <cstring>

#include "absl/strings/cord_test_helpers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace infer {
namespace {

using base::DataType;
using base::TensorSpec;
using ::testing::HasSubstr;

ModelInfo Model() {
  ModelInfo model;
  model.name = "m";
  model.version = "1";
  model.inputs = {{"x", DataType::kFloat32, {-1, 2}},
                  {"n", DataType::kInt64, {1}}};
  model.outputs = {{"y", DataType::kFloat32, {-1}},
                   {"z", DataType::kFloat32, {-1}}};
  model.max_batch_size = 3;
  return model;
}

std::vector<Tensor> Inputs() {
  return {{"n", DataType::kInt64, {1}, absl::Cord(std::string(8, '\0'))},
          {"x", DataType::kFloat32, {3, 2}, absl::Cord(std::string(24, '\0'))}};
}

std::string ErrorOf(const ModelInfo& model, std::vector<Tensor> inputs,
                    std::vector<std::string> outputs = {}) {
  Request request;
  request.inputs = std::move(inputs);
  request.outputs = std::move(outputs);
  const absl::Status status = Validate(model, request);
  EXPECT_TRUE(status.ok() ||
              status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

std::string Error(std::vector<Tensor> inputs,
                  std::vector<std::string> outputs = {}) {
  return ErrorOf(Model(), std::move(inputs), std::move(outputs));
}

TEST(Validate, TakesWhatFits) {
  EXPECT_EQ(Error(Inputs()), "");
  EXPECT_EQ(Error(Inputs(), {"z", "y"}), "");
}

TEST(Validate, SaysWhatDoesNot) {
  auto inputs = Inputs();
  inputs[1].dtype = DataType::kFloat64;
  EXPECT_EQ(Error(inputs),
            "model \"m\" version 1: input \"x\" is FP64 [3,2], wanted FP32 "
            "[-1,2] (-1: any positive number)");
  inputs = Inputs();
  inputs[1].shape = {3, 3};
  EXPECT_THAT(Error(inputs), HasSubstr("is FP32 [3,3]"));
  inputs[1].shape = {-1, 2};
  EXPECT_THAT(Error(inputs), HasSubstr("is FP32 [-1,2]"));
  inputs[1].shape = {3, 0};
  EXPECT_THAT(Error(inputs), HasSubstr("is FP32 [3,0]"));
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
  EXPECT_THAT(Error(Inputs(), {"q"}),
              HasSubstr("unknown output \"q\"; outputs are \"y\", \"z\""));
  EXPECT_THAT(Error(Inputs(), {"y", "y"}),
              HasSubstr("output \"y\" is asked for twice"));
  inputs = Inputs();
  inputs[0].data.Append("x");
  EXPECT_THAT(Error(inputs), HasSubstr("input \"n\": has 9 bytes of data, but "
                                       "shape [1] of INT64 takes 8"));
}

TEST(Validate, NamesAreQuotedUpToABound) {
  auto inputs = Inputs();
  inputs[0].name = std::string(10'000, 'q');
  EXPECT_LT(Error(inputs).size(), 500u);
  EXPECT_LT(Error(Inputs(), {std::string(10'000, 'q')}).size(), 500u);
  inputs = Inputs();
  inputs[1].shape.assign(10'000, 7);
  EXPECT_LT(Error(inputs).size(), 1000u);
}

TEST(Validate, BoundsTheRowsThatAModelLeavesOpen) {
  auto inputs = Inputs();
  inputs[1].shape = {4, 2};
  inputs[1].data = absl::Cord(std::string(32, '\0'));
  EXPECT_EQ(Error(inputs),
            "model \"m\" version 1: input \"x\" has 4 rows; at most 3 "
            "(--max_batch_size) are computed at once");
  ModelInfo fixed = Model();
  fixed.inputs[0].shape = {4, 2};
  EXPECT_EQ(ErrorOf(fixed, inputs), "");
}

TEST(Validate, ChecksOffsetsOfSequences) {
  ModelInfo model = Model();
  model.inputs[0].lod_level = 1;
  auto inputs = Inputs();
  EXPECT_THAT(ErrorOf(model, inputs),
              HasSubstr("input \"x\": it has 0 levels of offsets (LoD), the "
                        "model takes 1"));
  inputs[1].lod = {{0, 1, 3}};
  EXPECT_EQ(ErrorOf(model, inputs), "");
  inputs[1].lod = {{0, 1, 4}};
  EXPECT_THAT(ErrorOf(model, inputs),
              HasSubstr("ends with 4, the tensor has 3 rows"));
  EXPECT_THAT(Error(inputs), HasSubstr("the model takes none"));
  // Sequences without any row are no empty batch.
  inputs[1].shape = {0, 2};
  inputs[1].data.Clear();
  EXPECT_THAT(ErrorOf(model, inputs), HasSubstr("is FP32 [0,2]"));
}

template <typename T>
absl::Cord Cord(const std::vector<T>& values) {
  return absl::Cord(absl::string_view(
      reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
}

TEST(Validate, ChecksValues) {
  ModelInfo model = Model();
  model.inputs = {TensorSpec{"ids", DataType::kInt64, {-1}}};
  model.inputs[0].range = base::ValueRange{0, 999};
  EXPECT_EQ(
      ErrorOf(model, {{"ids", DataType::kInt64, {2}, Cord<int64_t>({0, 999})}}),
      "");
  EXPECT_THAT(
      ErrorOf(model,
              {{"ids", DataType::kInt64, {2}, Cord<int64_t>({7, 1000})}}),
      HasSubstr("input \"ids\": element 1 is 1000, the model takes 0 to 999"));
  EXPECT_THAT(
      ErrorOf(model, {{"ids", DataType::kInt64, {1}, Cord<int64_t>({-1})}}),
      HasSubstr("element 0 is -1"));
  model.inputs = {TensorSpec{"b", DataType::kBool, {-1}}};
  EXPECT_EQ(
      ErrorOf(model, {{"b", DataType::kBool, {2}, Cord<uint8_t>({0, 1})}}), "");
  EXPECT_THAT(
      ErrorOf(model, {{"b", DataType::kBool, {2}, Cord<uint8_t>({0, 2})}}),
      HasSubstr("BOOL element"));
}

TEST(Validate, ChecksPartsAndSizesOfTheRequestItself) {
  ModelInfo model;
  model.name = "m";
  model.version = "1";
  model.inputs = {{"ids", DataType::kInt32, {-1, 3}},
                  {"rows", DataType::kInt32, {-1}}};
  base::ValueCheck part;
  part.max = 99;
  part.parts = {{1, 1, 2}};
  part.reason = "index";
  base::ValueCheck size;
  size.input = 1;
  size.max = -1;
  size.of = {0, 0};
  model.checks = {part, size};
  const auto error = [&](std::vector<int32_t> ids, std::vector<int32_t> rows) {
    const auto cord = [](const std::vector<int32_t>& values) {
      const std::string bytes(reinterpret_cast<const char*>(values.data()),
                              values.size() * 4);
      // In pieces, one of which begins amid an element.
      absl::Cord pieces = absl::MakeFragmentedCord(
          std::vector<std::string>{bytes.substr(0, 5), bytes.substr(5)});
      return pieces;
    };
    return ErrorOf(model, {{"ids",
                            DataType::kInt32,
                            {static_cast<int64_t>(ids.size()) / 3, 3},
                            cord(ids)},
                           {"rows",
                            DataType::kInt32,
                            {static_cast<int64_t>(rows.size())},
                            cord(rows)}});
  };
  EXPECT_EQ(error({-1, 0, 1000, -1, 99, 1000}, {0, 1}), "");
  EXPECT_EQ(error({-1, 0, 1000, -1, 100, 1000}, {0, 1}),
            "model \"m\" version 1: input ids[:, 1:2]: element 1 is 100, the "
            "model takes 0 to 99 (index)");
  EXPECT_EQ(error({0, 0, 0, 0, 0, 0}, {0, 2}),
            "model \"m\" version 1: input rows: element 1 is 2, the model "
            "takes 0 to 1");
}

TEST(Validate, ChecksStringsOfBytes) {
  ModelInfo model = Model();
  model.inputs = {TensorSpec{"s", DataType::kBytes, {-1}}};
  const auto error = [&](int64_t elements, absl::string_view data) {
    // In chunks of a byte each, lengths and elements are spread over several.
    absl::Cord cord;
    for (size_t i = 0; i < data.size(); ++i) {
      cord.Append(absl::MakeCordFromExternal(data.substr(i, 1), [] {}));
    }
    return ErrorOf(model, {{"s", DataType::kBytes, {elements}, cord}});
  };
  const std::string two("\3\0\0\0abc\0\0\0\0", 11);
  EXPECT_EQ(error(2, two), "");
  EXPECT_THAT(error(3, two), HasSubstr("data has 2 elements, its shape 3"));
  EXPECT_THAT(error(1, two), HasSubstr("data has 2 elements, its shape 1"));
  EXPECT_THAT(error(2, two.substr(0, 10)),
              HasSubstr("ends with 3 bytes, fewer than the four"));
  EXPECT_THAT(error(1, two.substr(0, 6)),
              HasSubstr("element 0 says that it has 3 bytes, but only 2"));
  EXPECT_THAT(error(1, "\xFF\xFF\xFF\xFF"), HasSubstr("4294967295 bytes"));
}

TEST(CountElements, RefusesWhatDoesNotFit) {
  const int64_t big = 2147483647;
  EXPECT_EQ(*CountElements({}), 1u);
  EXPECT_EQ(*CountElements({2, 0, 3}), 0u);
  EXPECT_EQ(*CountElements({big}), static_cast<uint64_t>(big));
  for (const auto& shape :
       std::vector<std::vector<int64_t>>{{-1},
                                         {big + 1},
                                         {big, big, big},
                                         {big, big, big, 0},
                                         std::vector<int64_t>(17, 1)}) {
    EXPECT_THAT(std::string(CountElements(shape).status().message()),
                HasSubstr("is not possible"))
        << testing::PrintToString(shape);
  }
}

TEST(EmptyBatch, IsAnsweredWhereShapesFollow) {
  ModelInfo model = Model();
  model.outputs[1].shape = {-1, 5};
  Request request;
  request.inputs = Inputs();
  EXPECT_FALSE(IsEmptyBatch(model, request));
  request.inputs[1].shape = {0, 2};
  request.inputs[1].data.Clear();
  ASSERT_EQ(Validate(model, request), absl::OkStatus());
  ASSERT_TRUE(IsEmptyBatch(model, request));
  const auto outputs = AnswerEmptyBatch(model, request);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  ASSERT_EQ(outputs->size(), 2u);
  EXPECT_EQ((*outputs)[0].name, "y");
  EXPECT_EQ((*outputs)[1].shape, (std::vector<int64_t>{0, 5}));
  EXPECT_TRUE((*outputs)[1].data.empty());
  request.outputs = {"z"};
  EXPECT_EQ(AnswerEmptyBatch(model, request)->at(0).name, "z");
}

TEST(EmptyBatch, IsRefusedWhereTheyDoNot) {
  Request request;
  request.inputs = Inputs();
  request.inputs[1].shape = {0, 2};
  request.inputs[1].data.Clear();
  const std::pair<std::vector<int64_t>, int> outputs[] = {
      {{-1, -1}, 0}, {{1, 10}, 0}, {{}, 0}, {{-1, 5}, 1}};
  for (const auto& [shape, lod_level] : outputs) {
    ModelInfo model = Model();
    model.outputs[0].shape = shape;
    model.outputs[0].lod_level = lod_level;
    EXPECT_THAT(
        std::string(AnswerEmptyBatch(model, request).status().message()),
        HasSubstr("output \"y\" is of shape"));
  }
}

TEST(EmptyBatch, IsEmptyInAllInputs) {
  ModelInfo model = Model();
  model.inputs[1].shape = {-1};
  auto inputs = Inputs();
  inputs[1].shape = {0, 2};
  inputs[1].data.Clear();
  EXPECT_THAT(ErrorOf(model, inputs),
              HasSubstr("input \"x\" has no rows, input \"n\" has 1"));
}

}  // namespace
}  // namespace infer
