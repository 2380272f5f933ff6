#include "cc/frontend/rest/decode.h"

#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cc/base/copy_counter.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using base::DataType;
using infer::ModelInfo;
using ::testing::HasSubstr;

std::string Floats(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(float));
}

base::TensorSpec Spec(std::string name, DataType type, size_t rank,
                      int lod_level = 0) {
  return {std::move(name), type, std::vector<int64_t>(rank, -1), lod_level};
}

// Has an input for each of the tests.
const ModelInfo& Model() {
  static const auto* const model = [] {
    auto* info = new ModelInfo;
    info->name = "m";
    info->version = "1";
    info->inputs = {
        Spec("x", DataType::kFloat32, 2), Spec("n", DataType::kInt64, 1),
        Spec("f", DataType::kFloat32, 1), Spec("i", DataType::kInt32, 1),
        Spec("j", DataType::kInt8, 1),    Spec("b", DataType::kBool, 1),
        Spec("h", DataType::kFloat16, 1), Spec("u", DataType::kUint8, 1),
        Spec("s", DataType::kBytes, 1),   Spec("w", DataType::kInt8, 1, 1)};
    info->max_batch_size = 300'000;
    return info;
  }();
  return *model;
}

absl::StatusOr<InferRequest> Decode(
    absl::string_view body, std::optional<size_t> json_size = std::nullopt) {
  return DecodeInferRequest(Model(), {false, absl::Cord(body), json_size},
                            nullptr);
}

std::string Error(absl::string_view body,
                  std::optional<size_t> json_size = std::nullopt) {
  const auto request = Decode(body, json_size);
  EXPECT_FALSE(request.ok()) << body;
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(request.status().message());
}

constexpr char kPlain[] =
    R"({"id":"42","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32",)"
    R"("data":[[1,2.5]]},{"name":"n","shape":[1],"datatype":"INT64",)"
    R"("data":[7]}],"outputs":[{"name":"y"},{"name":"z"}]})";

TEST(DecodeInferRequest, Json) {
  const auto result = Decode(kPlain);
  ASSERT_TRUE(result.ok()) << result.status();
  const infer::Request& request = result->request;
  EXPECT_EQ(request.id, "42");
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[0].name, "x");
  EXPECT_EQ(request.inputs[0].dtype, DataType::kFloat32);
  EXPECT_EQ(request.inputs[0].shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(request.inputs[0].data, Floats({1, 2.5f}));
  EXPECT_EQ(request.inputs[1].dtype, DataType::kInt64);
  EXPECT_EQ(request.outputs, (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(result->binary.each, (std::vector<bool>{false, false}));
  EXPECT_FALSE(result->binary.all);
}

TEST(DecodeInferRequest, KeysComeInAnyOrder) {
  const auto result =
      Decode(R"({"outputs":[{"name":"y"}],"inputs":[{"data":[[1,2.5],[3,4]] ,)"
             R"("datatype":"FP32","name":"x","shape":[2,2]},{"shape":[1],)"
             R"("data":[7],"datatype":"INT64","name":"n"}],)"
             R"("parameters":{"binary_data_output":true}})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].data, Floats({1, 2.5f, 3, 4}));
  EXPECT_EQ(result->request.inputs[1].data, std::string("\7\0\0\0\0\0\0", 8));
  EXPECT_EQ(result->binary.each, std::vector<bool>{true});
  // What is wrong with it is told all the same.
  EXPECT_EQ(Error(R"({"inputs":[{"data":[1,2,3],"datatype":"FP32",)"
                  R"("name":"x","shape":[2,2]}]})"),
            "input \"x\": \"data\": there are fewer than 4 elements for shape "
            "[2,2]");
  EXPECT_THAT(Error(R"({"inputs":[{"data":[1,2}],"datatype":"FP32",)"
                    R"("name":"x","shape":[1,2]}]})"),
              HasSubstr("malformed"));
}

TEST(DecodeInferRequest, UnknownKeysAndParametersArePassedOver) {
  const auto result =
      Decode(R"({"later":{"a":[1,{"b":null}]},"parameters":{"sequence_id":7,)"
             R"("s":"x"},"inputs":[{"name":"b","shape":[1],"datatype":"BOOL",)"
             R"("data":[true],"parameters":{"other":1.5}}]})");
  EXPECT_TRUE(result.ok()) << result.status();
}

// As the KServe SDK and models of pydantic write what is absent.
TEST(DecodeInferRequest, NullIsAbsent) {
  const std::string json =
      R"({"id":null,"parameters":null,"outputs":null,"inputs":[{"name":"f",)"
      R"("shape":[2],"datatype":"FP32","parameters":null,"data":[1,2]},)"
      R"({"name":"u","shape":[3],"datatype":"UINT8","data":null,)"
      R"("parameters":{"binary_data_size":3,"binary_data":null,"lod":null,)"
      R"("classification":null,"shared_memory_region":null}}]})";
  const auto result = Decode(json + "abc", json.size());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.id, "");
  EXPECT_EQ(result->request.inputs[0].data, Floats({1, 2}));
  EXPECT_EQ(result->request.inputs[1].data, "abc");
  EXPECT_TRUE(result->request.outputs.empty());
  const auto other =
      Decode(R"({"parameters":{"binary_data_output":null,"timeout":null,)"
             R"("priority":null},"inputs":[],)"
             R"("outputs":[{"name":"y","parameters":null}]})");
  EXPECT_TRUE(other.ok()) << other.status();
  // What must be there is missing.
  EXPECT_EQ(Error(R"({"inputs":null})"), "\"inputs\" is missing");
  EXPECT_EQ(Error(R"({"inputs":[{"name":null}]})"),
            "input 0: \"name\" is missing");
}

TEST(DecodeInferRequest, PriorityAndTimeout) {
  const auto timeout = [](absl::string_view parameters) {
    return Decode(
        absl::StrCat(R"({"inputs":[],"parameters":)", parameters, "}"));
  };
  auto result = timeout(R"({"priority":3,"timeout":2500})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.priority, 3u);
  EXPECT_EQ(result->request.timeout, std::chrono::microseconds(2500));
  result = timeout(R"({"timeout":18446744073709551615})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.timeout, std::chrono::hours(365 * 24));
  EXPECT_THAT(Error(R"({"inputs":[],"parameters":{"timeout":-1}})"),
              HasSubstr("\"parameters\": \"timeout\" is no number"));
  EXPECT_THAT(Error(R"({"inputs":[],"parameters":{"priority":"high"}})"),
              HasSubstr("\"parameters\": \"priority\" is no number"));
}

TEST(DecodeInferRequest, Binary) {
  const std::string json =
      R"({"inputs":[{"name":"f","shape":[2],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":8}},{"name":"j","shape":[1],)"
      R"("datatype":"INT8","data":[5]},{"name":"h","shape":[3],)"
      R"("datatype":"FP16","parameters":{"binary_data_size":6}},)"
      R"({"name":"s","shape":[1],"datatype":"BYTES",)"
      R"("parameters":{"binary_data_size":5}}],)"
      R"("parameters":{"binary_data_output":true},)"
      R"("outputs":[{"name":"y"},{"name":"z",)"
      R"("parameters":{"binary_data":false}}]})";
  const std::string string("\1\0\0\0a", 5);
  const auto result =
      Decode(json + Floats({1, 2}) + "abcdef" + string, json.size());
  ASSERT_TRUE(result.ok()) << result.status();
  const auto& inputs = result->request.inputs;
  EXPECT_EQ(inputs[0].data, Floats({1, 2}));
  EXPECT_EQ(inputs[1].data, "\5");
  EXPECT_EQ(inputs[2].data, "abcdef");
  EXPECT_EQ(inputs[3].data, string);
  EXPECT_EQ(result->binary.each, (std::vector<bool>{true, false}));
}

// A body as http has it: blocks with room behind them.
absl::Cord Received(absl::string_view body, size_t block) {
  absl::Cord cord;
  for (size_t at = 0; at < body.size(); at += block) {
    const size_t size = std::min(block, body.size() - at);
    auto bytes = std::make_shared<std::vector<char>>(size + 64, '"');
    std::copy_n(body.data() + at, size, bytes->data());
    cord.Append(absl::MakeCordFromExternal(
        absl::string_view(bytes->data(), size), [bytes] {}));
  }
  return cord;
}

std::string BinaryRequest(size_t rows) {
  return absl::StrCat(R"({"inputs":[{"name":"x","shape":[)", rows,
                      R"(,1024],"datatype":"FP32","parameters":)"
                      R"({"binary_data_size":)",
                      rows * 4096, "}}]}");
}

TEST(DecodeInferRequest, BinaryTensorsAreTheBytesThatCame) {
  const std::string json = BinaryRequest(4);
  const absl::Cord body = Received(json + std::string(16384, 'x'), 1 << 20);
  const absl::string_view block = *body.TryFlat();
  base::copied_tensor_bytes = 0;
  const auto result =
      DecodeInferRequest(Model(), {true, body, json.size()}, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].data.TryFlat()->data(),
            block.data() + json.size());
  EXPECT_EQ(base::copied_tensor_bytes, 0u);
}

TEST(DecodeInferRequest, BlocksMayEndAnywhere) {
  const std::string json = BinaryRequest(1);
  std::string bytes(4096, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  for (const size_t block : {1, 7, 64, 100, 1000}) {
    const auto result = DecodeInferRequest(
        Model(), {true, Received(json + bytes, block), json.size()}, nullptr);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->request.inputs[0].data, bytes);
  }
}

// The data of these would be an error, too, if anybody looked at it.
TEST(DecodeInferRequest, LooksAtTheModelBeforeTheData) {
  const auto input = [](absl::string_view fields) {
    return absl::StrCat("{\"inputs\":[{", fields, ",\"data\":[nonsense");
  };
  EXPECT_THAT(
      Error(input(R"("name":"q","shape":[1],"datatype":"FP32")") + "]}]}"),
      HasSubstr("unknown input \"q\"; inputs are \"x\", \"n\""));
  EXPECT_THAT(
      Error(input(R"("name":"n","shape":[1],"datatype":"FP32")") + "]}]}"),
      HasSubstr("input \"n\" is FP32 [1], wanted INT64 [-1]"));
  EXPECT_THAT(Error(input(R"("name":"n","shape":[300001],"datatype":"INT64")") +
                    "]}]}"),
              HasSubstr("has 300001 rows; at most 300000"));
  EXPECT_THAT(Error(R"({"inputs":[{"name":"n","shape":[1],"datatype":"INT64",)"
                    R"("data":[1]},{"name":"n","shape":[1],"datatype":"INT64",)"
                    R"("data":[nonsense]}]})"),
              HasSubstr("given twice"));
}

TEST(DecodeInferRequest, OffsetsOfSequences) {
  const auto json = [](absl::string_view lod) {
    return absl::StrCat(
        R"({"inputs":[{"name":"w","shape":[3],"datatype":"INT8",)",
        R"("data":[1,2,3],"parameters":{"lod":)", lod, "}}]}");
  };
  const std::pair<std::string, base::Lod> kRight[] = {
      {"[0,1,3]", {{0, 1, 3}}},
      {"[[0,1,3]]", {{0, 1, 3}}},
      {"[[0,2],[0,1,3]]", {{0, 2}, {0, 1, 3}}},
      {"[]", {{}}},  // what they mean is for the model to say
      {"[-1]", {{-1}}}};
  for (const auto& [text, lod] : kRight) {
    const auto result = Decode(json(text));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->request.inputs[0].lod, lod) << text;
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
  const auto result = Decode(binary + "abc", binary.size());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].lod, (base::Lod{{0, 3}}));
}

TEST(DecodeRawRequest, IsOneSequence) {
  ModelInfo model;
  model.inputs = {{"w", DataType::kInt8, {-1, 2}, 2}};
  const auto result = DecodeRawRequest(model, absl::Cord("abcdef"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].lod, (base::Lod{{0, 1}, {0, 3}}));
}

TEST(DecodeInferRequest, RefusesWrongBinarySizes) {
  const auto json = [](int shape, int size) {
    return absl::StrCat(R"({"inputs":[{"name":"f","datatype":"FP32","shape":[)",
                        shape, R"(],"parameters":{"binary_data_size":)", size,
                        "}}]}");
  };
  const std::string right = json(2, 8);
  EXPECT_THAT(Error(right + "1234567", right.size()),
              HasSubstr("input \"f\": "));
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
  EXPECT_EQ(Error(input(R"("name":"f","datatype":"FP32","shape":[1],)"
                        R"("parameters":[])")),
            "input \"f\": \"parameters\" must be a JSON object");
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
  EXPECT_THAT(Error(input(R"("name":"f","datatype":"FP32","shape":[1])")),
              HasSubstr("neither \"data\" nor"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP128","shape":[1])")),
              HasSubstr("datatype \"FP128\" is unknown; the protocol has"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP32","shape":["1"])")),
              HasSubstr("no integer"));
  EXPECT_THAT(Error(input(R"("name":"x","datatype":"FP32","shape":[1.5])")),
              HasSubstr("no integer"));
  EXPECT_THAT(
      Error(input(R"("name":"f","datatype":"FP32","shape":[1],"data":[1],)"
                  R"("parameters":{"binary_data_size":4})")),
      HasSubstr("both"));
  EXPECT_THAT(
      Error(input(R"("name":"f","datatype":"FP32","shape":[1],"data":[1],)"
                  R"("data":[1])")),
      HasSubstr("twice"));
  EXPECT_THAT(
      Error(input(R"("name":"u","datatype":"UINT8","data":[1,2],"shape":[3])")),
      HasSubstr("fewer"));
  EXPECT_THAT(
      Error(input(R"("name":"f","datatype":"FP32","shape":[1],"parameters":)"
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
      R"({"inputs":[{"name":"i","shape":[300000],"datatype":"INT32","data":[0)";
  for (int i = 1; i < 300'000; ++i) absl::StrAppend(&body, ",", i);
  body += "]}]}";
  const auto result = Decode(body);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].data.size(), 1'200'000u);
}

// Whatever is taken is JSON, as a parser of whole documents sees it.
TEST(DecodeInferRequest, TakesNothingButJson) {
  static auto* const parser = new simdjson::dom::parser;
  constexpr char kTokens[] = "{}[],:\"0123456789eE+-.tfn \\/";
  std::mt19937 random(11);
  const std::string texts[] = {
      kPlain,
      R"({"later":[{"a":1.5e3},"\u00e9",null,true,-0],"inputs":[{"data":)"
      R"([true,false],"name":"b","shape":[2],"datatype":"BOOL","parameters":)"
      R"({"x":[],"y":{}}}],"parameters":{"timeout":5}})"};
  int taken = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string& text = texts[i % 2];
    std::string mutated = text;
    for (int j = random() % 3; j >= 0; --j) {
      const size_t at = random() % mutated.size();
      switch (random() % 4) {
        case 0:
          mutated[at] = static_cast<char>(random());
          break;
        case 1:
          mutated[at] = kTokens[random() % (sizeof(kTokens) - 1)];
          break;
        case 2:
          mutated.erase(at, 1 + random() % 8);
          break;
        default:
          mutated.insert(at, text.substr(random() % text.size(), 8));
      }
      if (mutated.empty()) mutated = "{";
    }
    Decode(mutated, random() % 300).IgnoreError();
    if (!Decode(mutated).ok()) continue;
    ++taken;
    ASSERT_EQ(parser->parse(mutated).error(), simdjson::SUCCESS) << mutated;
  }
  EXPECT_GT(taken, 1'000);  // else the test says little
}

ModelInfo RawModel(std::vector<std::vector<int64_t>> shapes,
                   DataType type = DataType::kFloat32) {
  ModelInfo model;
  model.name = "m";
  for (const auto& shape : shapes) {
    model.inputs.push_back({"x", type, shape});
  }
  return model;
}

TEST(DecodeRawRequest, ShapeFollowsFromSize) {
  const absl::Cord body(std::string(24, 'x'));
  auto result = DecodeRawRequest(RawModel({{-1, 2}}), body);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].shape, (std::vector<int64_t>{3, 2}));
  EXPECT_TRUE(result->binary.all);
  result = DecodeRawRequest(RawModel({{-1, 2, -1}}), body);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].shape, (std::vector<int64_t>{1, 2, 3}));
  result = DecodeRawRequest(RawModel({{6}}), body);
  EXPECT_TRUE(result.ok()) << result.status();
  // One element, whatever it holds.
  result = DecodeRawRequest(RawModel({{-1, 1}}, DataType::kBytes),
                            absl::Cord("image"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->request.inputs[0].shape, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(result->request.inputs[0].data, std::string("\5\0\0\0image", 9));
}

TEST(DecodeRawRequest, RefusesWhatIsAmbiguousOrDoesNotFit) {
  const absl::Cord body(std::string(24, 'x'));
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1}, {-1}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1, -1, -1}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{2, -1, -1}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1, 5}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{2}}), body).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{-1}}), absl::Cord()).ok());
  EXPECT_FALSE(DecodeRawRequest(RawModel({{2}}, DataType::kBytes), body).ok());
}

TEST(DecodeIndexRequest, AsksForAllOrForThoseThatAreReady) {
  EXPECT_FALSE(*DecodeIndexRequest(absl::Cord()));
  EXPECT_FALSE(*DecodeIndexRequest(absl::Cord("{}")));
  EXPECT_FALSE(*DecodeIndexRequest(absl::Cord(R"({"ready":null})")));
  EXPECT_TRUE(*DecodeIndexRequest(absl::Cord(R"({"ready":true})")));
  EXPECT_FALSE(DecodeIndexRequest(absl::Cord(R"({"ready":1})")).ok());
  EXPECT_FALSE(DecodeIndexRequest(absl::Cord("x")).ok());
}

}  // namespace
}  // namespace rest
