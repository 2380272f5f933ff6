#include "cc/server/encode.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using engine::DataType;
using engine::Tensor;
using ::testing::HasSubstr;

const ModelInfo& Digits() {
  static const auto* const model = new ModelInfo{
      "digits",
      "3",
      "fake",
      {{"x", DataType::kFloat32, {-1, 8}}},
      {{"a", DataType::kInt32, {-1}}, {"b", DataType::kUint8, {-1, 2}}}};
  return *model;
}

std::vector<Tensor> Results() {
  return {{"a", DataType::kInt32, {1}, std::string("\5\0\0\0", 4)},
          {"b", DataType::kUint8, {1, 2}, "\1\2"}};
}

TEST(EncodeInferResponse, JsonOfAllOutputs) {
  InferRequest request;
  request.id = "q\"1";
  const auto response = EncodeInferResponse(Digits(), request, Results());
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->json_size, std::nullopt);
  EXPECT_EQ(
      response->body,
      R"({"model_name":"digits","model_version":"3","id":"q\"1","outputs":[)"
      R"({"name":"a","datatype":"INT32","shape":[1],"data":[5]},)"
      R"({"name":"b","datatype":"UINT8","shape":[1,2],"data":[1,2]}]})");
}

TEST(EncodeInferResponse, OutputsAsAskedFor) {
  InferRequest request;
  request.outputs = {{"b", true}, {"a", false}};
  const auto response = EncodeInferResponse(Digits(), request, Results());
  ASSERT_TRUE(response.ok());
  const std::string json =
      R"({"model_name":"digits","model_version":"3","outputs":[)"
      R"({"name":"b","datatype":"UINT8","shape":[1,2],)"
      R"("parameters":{"binary_data_size":2}},)"
      R"({"name":"a","datatype":"INT32","shape":[1],"data":[5]}]})";
  EXPECT_EQ(response->json_size, json.size());
  EXPECT_EQ(response->body, json + "\1\2");
}

TEST(EncodeInferResponse, AllBinary) {
  InferRequest request;
  request.binary_outputs = true;
  const auto response = EncodeInferResponse(Digits(), request, Results());
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body.substr(*response->json_size),
            std::string("\5\0\0\0\1\2", 6));
}

TEST(EncodeInferResponse, OffsetsOfSequences) {
  std::vector<Tensor> results = Results();
  results[0].lod = {{0, 1}};
  results[1].lod = {{0, 1}, {0, 1}};
  InferRequest request;
  request.outputs = {{"a", true}, {"b", false}};
  const auto response = EncodeInferResponse(Digits(), request, results);
  ASSERT_TRUE(response.ok());
  EXPECT_THAT(response->body,
              HasSubstr(R"("parameters":{"binary_data_size":4,"lod":[0,1]}})"));
  EXPECT_THAT(response->body,
              HasSubstr(R"("parameters":{"lod":[[0,1],[0,1]]},"data":[1,2])"));
}

TEST(EncodeInferResponse, SaysWhatJsonCannotCarry) {
  const std::vector<Tensor> results = {{"h", DataType::kFloat16, {1}, "ab"}};
  EXPECT_EQ(EncodeInferResponse(Digits(), {}, results).status().code(),
            absl::StatusCode::kFailedPrecondition);
  InferRequest request;
  request.binary_outputs = true;
  EXPECT_TRUE(EncodeInferResponse(Digits(), request, results).ok());
  request.outputs = {{"gone", true}};
  EXPECT_EQ(EncodeInferResponse(Digits(), request, results).status().code(),
            absl::StatusCode::kInternal);
}

TEST(EncodeMetadata, IsWhatTheProtocolSays) {
  EXPECT_EQ(EncodeServerMetadata("s", "1"),
            R"({"name":"s","version":"1",)"
            R"("extensions":["binary_tensor_data","lod"]})");
  EXPECT_EQ(EncodeModelMetadata(Digits(), {"1", "3"}),
            R"({"name":"digits","versions":["1","3"],"platform":"fake",)"
            R"("inputs":[{"name":"x","datatype":"FP32","shape":[-1,8]}],)"
            R"("outputs":[{"name":"a","datatype":"INT32","shape":[-1]},)"
            R"({"name":"b","datatype":"UINT8","shape":[-1,2]}]})");
  ModelInfo words = Digits();
  words.inputs[0].lod_level = 1;
  EXPECT_THAT(EncodeModelMetadata(words, {"1"}),
              HasSubstr(R"({"name":"x","datatype":"FP32","shape":[-1,8],)"
                        R"("lod_level":1}])"));
  EXPECT_EQ(EncodeModelReady(Digits()), R"({"name":"digits","ready":true})");
  EXPECT_EQ(EncodeRepositoryIndex({&Digits()}),
            R"([{"name":"digits","version":"3","state":"READY",)"
            R"("reason":""}])");
  EXPECT_EQ(EncodeError("a \"b\""), R"({"error":"a \"b\""})");
}

}  // namespace
}  // namespace server
