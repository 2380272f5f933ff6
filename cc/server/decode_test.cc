#include "cc/server/decode.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using engine::DataType;
using ::testing::HasSubstr;

std::string Floats(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(float));
}

std::string Error(absl::string_view body,
                  std::optional<size_t> json_size = std::nullopt) {
  const auto request = DecodeInferRequest(body, json_size);
  EXPECT_FALSE(request.ok()) << body;
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(request.status().message());
}

constexpr char kPlain[] =
    R"({"id":"42","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32",)"
    R"("data":[[1,2.5]]},{"name":"n","shape":[1],"datatype":"INT64",)"
    R"("data":[7]}],"outputs":[{"name":"y"},{"name":"z"}]})";

TEST(DecodeInferRequest, Json) {
  const auto request = DecodeInferRequest(kPlain, std::nullopt);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->id, "42");
  ASSERT_EQ(request->inputs.size(), 2u);
  EXPECT_EQ(request->inputs[0].name, "x");
  EXPECT_EQ(request->inputs[0].dtype, DataType::kFloat32);
  EXPECT_EQ(request->inputs[0].shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(request->inputs[0].data, Floats({1, 2.5f}));
  EXPECT_EQ(request->inputs[1].dtype, DataType::kInt64);
  ASSERT_EQ(request->outputs.size(), 2u);
  EXPECT_EQ(request->outputs[1].name, "z");
  EXPECT_FALSE(request->outputs[1].binary);
  EXPECT_FALSE(request->binary_outputs);
}

TEST(DecodeInferRequest, KeysComeInAnyOrder) {
  const auto request = DecodeInferRequest(
      R"({"inputs":[{"data":[[1,2.5],[3,4]],"datatype":"FP32","name":"x",)"
      R"("shape":[2,2]}]})",
      std::nullopt);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].data, Floats({1, 2.5f, 3, 4}));
}

TEST(DecodeInferRequest, UnknownKeysAndParametersAreSkipped) {
  const auto request = DecodeInferRequest(
      R"({"later":{"a":[1]},"parameters":{"priority":1,"timeout":2,"s":"x"},)"
      R"("inputs":[{"name":"x","shape":[1],"datatype":"BOOL","data":[true],)"
      R"("parameters":{"other":1.5}}]})",
      std::nullopt);
  EXPECT_TRUE(request.ok()) << request.status();
}

TEST(DecodeInferRequest, Binary) {
  const std::string json =
      R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":8}},{"name":"j","shape":[1],)"
      R"("datatype":"INT8","data":[5]},{"name":"b","shape":[3],)"
      R"("datatype":"FP16","parameters":{"binary_data_size":6}}],)"
      R"("parameters":{"binary_data_output":true},)"
      R"("outputs":[{"name":"y"},{"name":"z",)"
      R"("parameters":{"binary_data":false}}]})";
  const auto request =
      DecodeInferRequest(json + Floats({1, 2}) + "abcdef", json.size());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].data, Floats({1, 2}));
  EXPECT_EQ(request->inputs[1].data, "\5");
  EXPECT_EQ(request->inputs[2].data, "abcdef");
  EXPECT_TRUE(request->outputs[0].binary);
  EXPECT_FALSE(request->outputs[1].binary);
}

TEST(DecodeInferRequest, OffsetsOfSequences) {
  const auto json = [](absl::string_view lod) {
    return absl::StrCat(
        R"({"inputs":[{"name":"w","shape":[3],"datatype":"INT8",)",
        R"("data":[1,2,3],"parameters":{"lod":)", lod, "}}]}");
  };
  const std::pair<std::string, engine::Lod> kRight[] = {
      {"[0,1,3]", {{0, 1, 3}}},
      {"[[0,1,3]]", {{0, 1, 3}}},
      {"[[0,2],[0,1,3]]", {{0, 2}, {0, 1, 3}}},
      {"[]", {{}}},  // what they mean is for the model to say
      {"[-1]", {{-1}}}};
  for (const auto& [text, lod] : kRight) {
    const auto request = DecodeInferRequest(json(text), std::nullopt);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->inputs[0].lod, lod) << text;
  }
  EXPECT_EQ(Error(json("7")), "input \"w\": \"lod\" is no array");
  EXPECT_THAT(Error(json("[0,1.5]")), HasSubstr("\"lod\" holds something"));
  EXPECT_THAT(Error(json("[0,[1]]")), HasSubstr("\"lod\" holds something"));
  EXPECT_THAT(Error(json("[[0],1]")), HasSubstr("\"lod\" mixes offsets"));
  EXPECT_THAT(Error(json("[18446744073709551615]")), HasSubstr("no integer"));
  EXPECT_THAT(Error(R"({"inputs":[],"outputs":[{"name":"y",)"
                    R"("parameters":{"lod":[0,1]}}]})"),
              HasSubstr("output 0: \"lod\" belongs to inputs"));
  const std::string binary =
      R"({"inputs":[{"name":"w","shape":[3],"datatype":"INT8",)"
      R"("parameters":{"binary_data_size":3,"lod":[0,3]}}]})";
  const auto request = DecodeInferRequest(binary + "abc", binary.size());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].lod, (engine::Lod{{0, 3}}));
}

TEST(DecodeRawRequest, IsOneSequence) {
  ModelInfo model;
  model.inputs = {{"w", DataType::kInt8, {-1, 2}, 2}};
  const auto request = DecodeRawRequest(model, "abcdef");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].lod, (engine::Lod{{0, 1}, {0, 3}}));
}

TEST(DecodeInferRequest, RefusesWrongBinarySizes) {
  const auto json = [](int shape, int size) {
    return absl::StrCat(R"({"inputs":[{"name":"a","datatype":"FP32","shape":[)",
                        shape, R"(],"parameters":{"binary_data_size":)", size,
                        "}}]}");
  };
  const std::string right = json(2, 8);
  EXPECT_THAT(Error(right + "1234567", right.size()),
              HasSubstr("input \"a\": "));
  EXPECT_THAT(Error(right + "1234567", right.size()),
              HasSubstr("only 7 follow"));
  EXPECT_THAT(Error(right + "123456789", right.size()),
              HasSubstr("1 bytes of binary data are left over"));
  EXPECT_THAT(Error(right, right.size() + 1),
              HasSubstr("Inference-Header-Content-Length is"));
  const std::string wrong = json(2, 7);
  EXPECT_THAT(Error(wrong + "1234567", wrong.size()),
              HasSubstr("takes 8 bytes"));
  EXPECT_THAT(Error(json(2, -8)), HasSubstr("no number of bytes"));
  // Without the header all of the body is JSON.
  EXPECT_THAT(Error(right + "12345678"), HasSubstr("malformed"));
}

TEST(DecodeInferRequest, NamesWhatIsWrong) {
  const auto input = [](absl::string_view fields) {
    return absl::StrCat("{\"inputs\":[{", fields, "}]}");
  };
  EXPECT_THAT(Error(""), HasSubstr("malformed"));
  EXPECT_EQ(Error("[]"), "the request body must be a JSON object");
  EXPECT_EQ(Error(R"({"inputs":[1]})"), "input 0: it must be a JSON object");
  EXPECT_EQ(Error(R"({"inputs":[],"parameters":1})"),
            "\"parameters\": it must be a JSON object");
  EXPECT_EQ(Error(input(R"("name":"x","datatype":"FP32","shape":[1],)"
                        R"("parameters":[])")),
            "input \"x\": \"parameters\" must be a JSON object");
  EXPECT_THAT(Error("{}"), HasSubstr("\"inputs\" is missing"));
  EXPECT_THAT(Error(R"({"inputs":[]} x)"), HasSubstr("malformed"));
  EXPECT_THAT(Error(R"({"inputs":[],"inputs":[]})"), HasSubstr("twice"));
  EXPECT_THAT(Error(R"({"inputs":{}})"), HasSubstr("\"inputs\" is no array"));
  EXPECT_THAT(Error(R"({"id":7,"inputs":[]})"),
              HasSubstr("\"id\" is no string"));
  EXPECT_THAT(Error(input("")), HasSubstr("input 0: \"name\" is missing"));
  EXPECT_THAT(Error(input(R"("name":"x")")),
              HasSubstr("\"datatype\" is missing"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP32")")),
              HasSubstr("input \"x\": "));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP32")")),
              HasSubstr("\"shape\" is missing"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP32","shape":[1])")),
              HasSubstr("neither \"data\" nor"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"BYTES","shape":[1])")),
              HasSubstr("datatype \"BYTES\" is not served"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP32","shape":["1"])")),
              HasSubstr("no integer"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP32","shape":[1.5])")),
              HasSubstr("no integer"));
  EXPECT_THAT(
      Error(input(R"("name":"x","datatype":"FP32","shape":[1],"data":[1],)"
                  R"("parameters":{"binary_data_size":4})")),
      HasSubstr("both"));
  EXPECT_THAT(
      Error(input(R"("name":"x","datatype":"FP32","shape":[1],"data":[1],)"
                  R"("data":[1])")),
      HasSubstr("twice"));
  EXPECT_THAT(
      Error(input(R"("name":"x","datatype":"UINT8","data":[1,2],"shape":[3])")),
      HasSubstr("fewer"));
  EXPECT_THAT(
      Error(input(R"("name":"x","datatype":"FP32","shape":[1],"parameters":)"
                  R"({"shared_memory_region":"r"})")),
      HasSubstr("\"shared_memory_region\" is not supported"));
  EXPECT_THAT(Error(R"({"inputs":[],"outputs":[{"name":"y","parameters":)"
                    R"({"classification":3}}]})"),
              HasSubstr("\"classification\" is not supported"));
  EXPECT_THAT(Error(R"({"inputs":[],"outputs":[{}]})"),
              HasSubstr("output 0: \"name\" is missing"));
}

// What RFC 8259 does not allow is refused even where it does not matter.
TEST(DecodeInferRequest, RefusesMalformedJson) {
  for (const char* text : {"nul",
                           "True",
                           "NaN",
                           "Infinity",
                           "-",
                           "+1",
                           "01",
                           ".5",
                           "1.",
                           "1e",
                           "0x10",
                           "'a'",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\n\"",
                           "\"\xFF\"",
                           "\"\xC0\x80\"",
                           "\"\xED\xA0\x80\"",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{\"a\"}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "/**/1",
                           "1e400"}) {
    EXPECT_THAT(Error(absl::StrCat("{\"inputs\":[],\"later\":", text, "}")),
                HasSubstr("malformed"))
        << text;
  }
  EXPECT_THAT(Error("{\"a\":" + std::string(1'000'000, '[')),
              HasSubstr("malformed"));
  const std::string whole(kPlain);
  for (size_t i = 0; i < whole.size(); ++i) Error(whole.substr(0, i));
}

TEST(DecodeInferRequest, LargeBodies) {
  std::string body =
      R"({"inputs":[{"name":"x","shape":[300000],"datatype":"INT32","data":[0)";
  for (int i = 1; i < 300'000; ++i) absl::StrAppend(&body, ",", i);
  body += "]}]}";
  const auto request = DecodeInferRequest(body, std::nullopt);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].data.size(), 1'200'000u);
}

TEST(DecodeInferRequest, SurvivesAnyBytes) {
  std::mt19937 random(11);
  const std::string text(kPlain);
  for (int i = 0; i < 20'000; ++i) {
    std::string mutated = text;
    for (int j = random() % 3; j >= 0; --j) {
      const size_t at = random() % mutated.size();
      switch (random() % 3) {
        case 0:
          mutated[at] = static_cast<char>(random());
          break;
        case 1:
          mutated.erase(at, 1 + random() % 8);
          break;
        default:
          mutated.insert(at, text.substr(random() % text.size(), 8));
      }
      if (mutated.empty()) mutated = "{";
    }
    DecodeInferRequest(mutated, std::nullopt).IgnoreError();
    DecodeInferRequest(mutated, random() % 300).IgnoreError();
  }
}

ModelInfo RawModel(std::vector<std::vector<int64_t>> shapes) {
  ModelInfo model{"m", "1", "", {}, {}};
  for (const auto& shape : shapes) {
    model.inputs.push_back({"x", DataType::kFloat32, shape});
  }
  return model;
}

TEST(DecodeRawRequest, ShapeFollowsFromSize) {
  auto request = DecodeRawRequest(RawModel({{-1, 2}}), std::string(24, 'x'));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].shape, (std::vector<int64_t>{3, 2}));
  EXPECT_TRUE(request->binary_outputs);
  request = DecodeRawRequest(RawModel({{-1, 2, -1}}), std::string(24, 'x'));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].shape, (std::vector<int64_t>{1, 2, 3}));
  request = DecodeRawRequest(RawModel({{2}}), std::string(8, 'x'));
  EXPECT_TRUE(request.ok()) << request.status();
}

TEST(DecodeRawRequest, RefusesWhatIsAmbiguousOrDoesNotFit) {
  const std::string body(24, 'x');
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1}, {-1}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1, -1, -1}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{2, -1, -1}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1, 5}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{2}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1}}), "").ok());
}

}  // namespace
}  // namespace server
