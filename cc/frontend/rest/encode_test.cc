#include "cc/frontend/rest/encode.h"

#include <cstdint>
#include <limits>

#include "cc/base/byte_budget.h"
#include "cc/base/copy_counter.h"
#include "cc/frontend/rest/tensor_json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using base::DataType;
using infer::Tensor;
using ::testing::HasSubstr;

const infer::ModelInfo& Digits() {
  static const auto* const model = [] {
    auto* info = new infer::ModelInfo;
    info->name = "digits";
    info->version = "3";
    info->platform = "fake";
    info->inputs = {{"x", DataType::kFloat32, {-1, 8}}};
    info->outputs = {{"a", DataType::kInt32, {-1}},
                     {"b", DataType::kUint8, {-1, 2}}};
    return info;
  }();
  return *model;
}

std::vector<Tensor> Results() {
  return {{"a", DataType::kInt32, {1}, absl::Cord(std::string("\5\0\0\0", 4))},
          {"b", DataType::kUint8, {1, 2}, absl::Cord("\1\2")}};
}

TEST(EncodeInferResponse, JsonOfAllOutputs) {
  const auto response = EncodeInferResponse(Digits(), "q\"1", BinaryOutputs(),
                                            Results(), nullptr);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->json_size, std::nullopt);
  EXPECT_EQ(
      response->body,
      R"({"model_name":"digits","model_version":"3","id":"q\"1","outputs":[)"
      R"({"name":"a","datatype":"INT32","shape":[1],"data":[5]},)"
      R"({"name":"b","datatype":"UINT8","shape":[1,2],"data":[1,2]}]})");
}

TEST(EncodeInferResponse, OutputsAsAskedFor) {
  std::vector<Tensor> results = Results();
  std::swap(results[0], results[1]);
  const BinaryOutputs binary = {false, {true, false}};
  EXPECT_EQ(TextBytes(binary, results), 12u);
  const auto response =
      EncodeInferResponse(Digits(), "", binary, results, nullptr);
  ASSERT_TRUE(response.ok());
  const std::string json =
      R"({"model_name":"digits","model_version":"3","outputs":[)"
      R"({"name":"b","datatype":"UINT8","shape":[1,2],)"
      R"("parameters":{"binary_data_size":2}},)"
      R"({"name":"a","datatype":"INT32","shape":[1],"data":[5]}]})";
  EXPECT_EQ(response->json_size, json.size());
  EXPECT_EQ(response->body, json + "\1\2");
}

TEST(EncodeInferResponse, BinaryIsThePiecesThatWereThere) {
  const std::string data(100'000, 'x');
  const Tensor output{"b",
                      DataType::kUint8,
                      {100'000},
                      absl::MakeCordFromExternal(data, [] {})};
  base::copied_tensor_bytes = 0;
  const auto response =
      EncodeInferResponse(Digits(), "", {true, {}}, {output}, nullptr);
  ASSERT_TRUE(response.ok());
  bool found = false;
  for (const absl::string_view chunk : response->body.Chunks()) {
    found = found || (chunk.data() == data.data() && chunk.size() == 100'000);
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(response->body.size(), *response->json_size + data.size());
  EXPECT_EQ(base::copied_tensor_bytes, 0u);
}

TEST(EncodeInferResponse, PiecesBecomeOneForJson) {
  absl::Cord data(std::string("\1\0\0\0\2\0\0", 7));
  data.Append(absl::MakeCordFromExternal(absl::string_view("\0", 1), [] {}));
  base::copied_tensor_bytes = 0;
  const auto response =
      EncodeInferResponse(Digits(), "", BinaryOutputs(),
                          {{"a", DataType::kInt32, {2}, data}}, nullptr);
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(std::string(response->body), HasSubstr("\"data\":[1,2]"));
  EXPECT_LE(base::copied_tensor_bytes, 8u);
}

TEST(EncodeInferResponse, JsonIsChargedAsLongAsTheBodyLives) {
  base::ByteBudget budget(10'000);
  const std::string numbers(400 * sizeof(float), '\x3f');  // 0.74703974
  const std::vector<Tensor> results = {
      {"a", DataType::kFloat32, {400}, absl::Cord(numbers)}};
  {
    const auto response =
        EncodeInferResponse(Digits(), "", {}, results, &budget);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_GT(response->body.size(), 4'000u);
    EXPECT_EQ(budget.held(), response->body.size());
    // As many again find no room, and leave nothing behind.
    const auto second = EncodeInferResponse(Digits(), "", {}, results, &budget);
    EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(budget.held(), response->body.size());
    const BinaryOutputs binary = {true, {}};
    EXPECT_TRUE(
        EncodeInferResponse(Digits(), "", binary, results, &budget).ok());
  }
  EXPECT_EQ(budget.held(), 0u);
}

// More than is expected of strings.
TEST(EncodeInferResponse, WhatIsEscapedIsChargedTooAndMayFindNoRoom) {
  std::string controls("\xe8\x03\0\0", 4);
  controls.append(1000, '\1');
  const std::vector<Tensor> results = {
      {"a", DataType::kBytes, {1}, absl::Cord(controls)}};
  base::ByteBudget budget(10'000);
  const auto response = EncodeInferResponse(Digits(), "", {}, results, &budget);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_GT(response->body.size(), 6'000u);
  EXPECT_EQ(budget.held(), response->body.size());
  base::ByteBudget small(3'000);
  EXPECT_EQ(
      EncodeInferResponse(Digits(), "", {}, results, &small).status().code(),
      absl::StatusCode::kUnavailable);
  EXPECT_EQ(small.held(), 0u);
}

// What TextBytes promises of every type.
TEST(EncodeInferResponse, NoNumberIsLongerThanExpected) {
  const auto bytes = [](auto value) {
    return absl::Cord(
        std::string(reinterpret_cast<const char*>(&value), sizeof(value)));
  };
  const std::vector<Tensor> longest = {
      {"", DataType::kBool, {1}, absl::Cord(std::string(1, '\0'))},
      {"", DataType::kUint8, {1}, bytes(std::numeric_limits<uint8_t>::max())},
      {"", DataType::kUint16, {1}, bytes(std::numeric_limits<uint16_t>::max())},
      {"", DataType::kUint32, {1}, bytes(std::numeric_limits<uint32_t>::max())},
      {"", DataType::kUint64, {1}, bytes(std::numeric_limits<uint64_t>::max())},
      {"", DataType::kInt8, {1}, bytes(std::numeric_limits<int8_t>::min())},
      {"", DataType::kInt16, {1}, bytes(std::numeric_limits<int16_t>::min())},
      {"", DataType::kInt32, {1}, bytes(std::numeric_limits<int32_t>::min())},
      {"", DataType::kInt64, {1}, bytes(std::numeric_limits<int64_t>::min())},
      {"", DataType::kFloat16, {1}, bytes(uint16_t{0x8401})},
      {"", DataType::kBfloat16, {1}, bytes(uint16_t{0x8081})},
      {"", DataType::kFloat32, {1}, bytes(-1.17549435e-38f)},
      {"", DataType::kFloat64, {1}, bytes(-2.2250738585072014e-308)}};
  for (const Tensor& tensor : longest) {
    std::string text;
    ASSERT_TRUE(AppendTensorData(tensor, &text).ok());
    // Two brackets in place of one comma.
    EXPECT_LE(text.size() - 1, TextBytes({}, {tensor})) << text;
  }
}

TEST(EncodeInferResponse, NoRows) {
  const auto response =
      EncodeInferResponse(Digits(), "", BinaryOutputs(),
                          {{"b", DataType::kUint8, {0, 2}, {}}}, nullptr);
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(std::string(response->body),
              HasSubstr(R"("shape":[0,2],"data":[]}]})"));
}

TEST(EncodeInferResponse, OffsetsOfSequences) {
  std::vector<Tensor> results = Results();
  results[0].lod = {{0, 1}};
  results[1].lod = {{0, 1}, {0, 1}};
  const auto response = EncodeInferResponse(
      Digits(), "", {false, {true, false}}, results, nullptr);
  ASSERT_TRUE(response.ok());
  const std::string body(response->body);
  EXPECT_THAT(body,
              HasSubstr(R"("parameters":{"binary_data_size":4,"lod":[0,1]}})"));
  EXPECT_THAT(body,
              HasSubstr(R"("parameters":{"lod":[[0,1],[0,1]]},"data":[1,2])"));
}

TEST(EncodeInferResponse, SaysWhatJsonCannotCarry) {
  const std::vector<Tensor> results = {
      {"h",
       DataType::kFloat16,
       {1},
       absl::Cord(absl::string_view("\0\x7C", 2))}};
  EXPECT_EQ(EncodeInferResponse(Digits(), "", BinaryOutputs(), results, nullptr)
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(
      EncodeInferResponse(Digits(), "", {true, {}}, results, nullptr).ok());
}

TEST(EncodeMetadata, IsWhatTheProtocolSays) {
  EXPECT_EQ(EncodeServerMetadata("s", "1"),
            R"({"name":"s","version":"1",)"
            R"("extensions":["binary_tensor_data","lod",)"
            R"("model_configuration","model_repository","statistics"]})");
  EXPECT_EQ(EncodeModelMetadata(Digits(), {"1", "3"}),
            R"({"name":"digits","versions":["1","3"],"platform":"fake",)"
            R"("inputs":[{"name":"x","datatype":"FP32","shape":[-1,8]}],)"
            R"("outputs":[{"name":"a","datatype":"INT32","shape":[-1]},)"
            R"({"name":"b","datatype":"UINT8","shape":[-1,2]}]})");
  EXPECT_THAT(EncodeModelMetadata(Digits(), {}), HasSubstr("\"versions\":[],"));
  infer::ModelInfo words = Digits();
  words.inputs[0].lod_level = 1;
  EXPECT_THAT(EncodeModelMetadata(words, {"1"}),
              HasSubstr(R"({"name":"x","datatype":"FP32","shape":[-1,8],)"
                        R"("lod_level":1}])"));
  EXPECT_EQ(EncodeModelReady(Digits()), R"({"name":"digits","ready":true})");
  const std::vector<infer::IndexEntry> index = {
      {"bad", "1", infer::State::kFailed, "it is \"cut off\""},
      {"digits", "3", infer::State::kReady, ""}};
  EXPECT_EQ(EncodeRepositoryIndex(index, false),
            R"([{"name":"bad","version":"1","state":"UNAVAILABLE",)"
            R"("reason":"it is \"cut off\""},{"name":"digits","version":"3",)"
            R"("state":"READY","reason":""}])");
  EXPECT_EQ(EncodeRepositoryIndex(index, true),
            R"([{"name":"digits","version":"3","state":"READY",)"
            R"("reason":""}])");
  EXPECT_EQ(EncodeRepositoryIndex({}, true), "[]");
  EXPECT_EQ(EncodeError("a \"b\""), R"({"error":"a \"b\""})");
}

}  // namespace
}  // namespace rest
