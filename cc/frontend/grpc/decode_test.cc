#include "cc/frontend/grpc/decode.h"

#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "cc/base/byte_budget.h"
#include "cc/base/wire.h"
#include "cc/infer/fake_servable.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace grpc {
namespace {

using base::DataType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(T));
}

std::string Packed(uint32_t number, const std::vector<int64_t>& values) {
  std::string out;
  wire::Writer(&out).Packed(number, values.data(), values.size());
  return out;
}

std::string Unpacked(uint32_t number, const std::vector<int64_t>& values) {
  std::string out;
  for (const int64_t value : values) {
    out.push_back(static_cast<char>(number << 3));
    uint64_t bits = static_cast<uint64_t>(value);
    for (; bits >= 0x80; bits >>= 7) {
      out.push_back(static_cast<char>(bits | 0x80));
    }
    out.push_back(static_cast<char>(bits));
  }
  return out;
}

class DecodeTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Contents(DataType type,
                                       const std::string& contents,
                                       std::vector<int64_t> shape = {2}) {
    infer::Tensor tensor{"x", type, std::move(shape), {}};
    const absl::Cord cord(contents);
    absl::Status status = ReadContents(cord, pool_.get(), &tensor);
    if (!status.ok()) return status;
    return std::string(tensor.data);
  }
  std::string ContentsError(DataType type, const std::string& contents,
                            std::vector<int64_t> shape = {2}) {
    const auto result = Contents(type, contents, std::move(shape));
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  }
  absl::StatusOr<infer::Request> Decode(const absl::Cord& bytes) {
    InferMessage message;
    absl::Status status = ParseInferMessage(bytes, &message);
    if (!status.ok()) return status;
    return DecodeInferRequest(infer::FakeInfo("m", "1"), message, pool_.get());
  }

  base::ByteBudget budget_{1 << 20};
  std::shared_ptr<http::BlockPool> pool_ = http::BlockPool::Make(&budget_);
};

// x, FP32 [1,2].
std::string Input(const std::string& more = "") {
  std::string input;
  wire::Writer writer(&input);
  writer.Bytes(1, "x");
  writer.Bytes(2, "FP32");
  const int64_t shape[] = {1, 2};
  writer.Packed(3, shape, 2);
  return input + more;
}

std::string Request(const std::string& input = Input(),
                    const std::string& raw = std::string(8, '\0')) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, "m");
  writer.Bytes(3, "id");
  writer.Message(5, input);
  writer.Bytes(7, raw);
  return out;
}

std::string ParameterEntry(absl::string_view name, const std::string& value) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, name);
  writer.Message(2, value);
  return out;
}

TEST_F(DecodeTest, EveryTypeOfElementsPackedOrNot) {
  for (auto* form : {&Packed, &Unpacked}) {
    EXPECT_EQ(*Contents(DataType::kBool, form(1, {0, 7})),
              std::string("\0\1", 2));
    EXPECT_EQ(*Contents(DataType::kInt8, form(2, {-128, 127})),
              BytesOf<int8_t>({-128, 127}));
    EXPECT_EQ(*Contents(DataType::kInt16, form(2, {-32768, 32767})),
              BytesOf<int16_t>({-32768, 32767}));
    EXPECT_EQ(*Contents(DataType::kInt32, form(2, {-2147483648, 2147483647})),
              BytesOf<int32_t>({-2147483647 - 1, 2147483647}));
    EXPECT_EQ(*Contents(DataType::kInt64, form(3, {-1, 1})),
              BytesOf<int64_t>({-1, 1}));
    EXPECT_EQ(*Contents(DataType::kUint8, form(4, {0, 255})),
              BytesOf<uint8_t>({0, 255}));
    EXPECT_EQ(*Contents(DataType::kUint16, form(4, {0, 65535})),
              BytesOf<uint16_t>({0, 65535}));
    EXPECT_EQ(*Contents(DataType::kUint32, form(4, {0, 4294967295})),
              BytesOf<uint32_t>({0, 4294967295}));
    EXPECT_EQ(*Contents(DataType::kUint64, form(5, {0, -1})),
              BytesOf<uint64_t>({0, std::numeric_limits<uint64_t>::max()}));
  }
  const std::string floats = BytesOf<float>({1.5F, -2.0F});
  EXPECT_EQ(*Contents(DataType::kFloat32, "\x32\x08" + floats), floats);
  EXPECT_EQ(*Contents(DataType::kFloat32,
                      "\x35" + floats.substr(0, 4) + "\x35" + floats.substr(4)),
            floats);
  const std::string doubles = BytesOf<double>({1.5, -2.0});
  EXPECT_EQ(*Contents(DataType::kFloat64, "\x3a\x10" + doubles), doubles);
  EXPECT_EQ(*Contents(DataType::kFloat64, "\x39" + doubles.substr(0, 8) +
                                              "\x39" + doubles.substr(8)),
            doubles);
  EXPECT_EQ(*Contents(DataType::kBytes, std::string("\x42\x00\x42\x01z", 5)),
            std::string("\0\0\0\0\1\0\0\0z", 9));
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(DecodeTest, ElementsThatAreNotThoseOfTheShape) {
  EXPECT_THAT(ContentsError(DataType::kInt64, Packed(3, {1})),
              HasSubstr("fewer than the 2 elements of shape [2]"));
  EXPECT_THAT(ContentsError(DataType::kInt64, Packed(3, {1, 2, 3})),
              HasSubstr("more than the 2 elements"));
  EXPECT_THAT(ContentsError(DataType::kInt64, Unpacked(3, {1, 2, 3})),
              HasSubstr("more than the 2 elements"));
  EXPECT_THAT(ContentsError(DataType::kInt64, Packed(2, {1, 2})),
              HasSubstr("has \"int_contents\", but INT64"));
  EXPECT_THAT(ContentsError(DataType::kUint8, Packed(4, {1, 256})),
              HasSubstr("element 1 is beyond what UINT8 holds"));
  EXPECT_THAT(ContentsError(DataType::kInt16, Packed(2, {-32769, 0})),
              HasSubstr("element 0 is beyond what INT16 holds"));
  EXPECT_THAT(ContentsError(DataType::kFloat32,
                            "\x32\x07"
                            "1234567"),
              HasSubstr("ends within an element"));
  EXPECT_THAT(ContentsError(DataType::kFloat32,
                            "\x31"
                            "12345678"),
              HasSubstr("elements of another size"));
  EXPECT_THAT(ContentsError(DataType::kFloat32, "\x30\x01\x30\x01"),
              HasSubstr("elements of another size"));
  EXPECT_THAT(ContentsError(DataType::kFloat32,
                            "\x32\x0c"
                            "123456789012"),
              HasSubstr("more than the 2 elements"));
  EXPECT_THAT(ContentsError(DataType::kFloat16, "\x30\x01\x30\x01"),
              HasSubstr("raw_input_contents"));
  EXPECT_THAT(ContentsError(DataType::kBytes, "\x42\x01z\x42\x01z\x42\x01z"),
              HasSubstr("more than the 2 elements"));
  EXPECT_THAT(ContentsError(DataType::kInt64, "\x1a\x02\x80\x80"),
              HasSubstr("holds no numbers"));
}

TEST_F(DecodeTest, NothingIsAllocatedForElementsThatDidNotCome) {
  EXPECT_THAT(
      ContentsError(DataType::kInt64, Packed(3, {1}), {1 << 20, 1 << 20}),
      HasSubstr("fewer than"));
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(DecodeTest, ElementsBeyondTheBudgetAreForLater) {
  const std::vector<int64_t> many(200'000, 1);
  EXPECT_EQ(
      Contents(DataType::kInt64, Packed(3, many), {200'000}).status().code(),
      absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(DecodeTest, ARequest) {
  const auto request = Decode(absl::Cord(Request()));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->id, "id");
  ASSERT_EQ(request->inputs.size(), 1u);
  EXPECT_EQ(request->inputs[0].name, "x");
  EXPECT_THAT(request->inputs[0].shape, ElementsAre(1, 2));
  EXPECT_EQ(request->inputs[0].data.size(), 8u);
}

TEST_F(DecodeTest, ContentsThatComeTwiceAreMerged) {
  std::string half;
  wire::Writer(&half).Message(5,
                              "\x32\x04"
                              "1234");
  const auto request = Decode(absl::Cord(Request(Input(half + half), "")));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->inputs[0].data, "12341234");
}

TEST_F(DecodeTest, Parameters) {
  const auto with = [&](absl::string_view name, const std::string& value) {
    std::string bytes = Request();
    wire::Writer(&bytes).Message(4, ParameterEntry(name, value));
    return Decode(absl::Cord(bytes));
  };
  EXPECT_EQ(with("priority", "\x10\x05")->priority, 5u);
  EXPECT_EQ(with("priority", "\x28\x05")->priority, 5u);
  EXPECT_EQ(with("timeout", "\x10\x05")->timeout, std::chrono::microseconds(5));
  EXPECT_TRUE(with("sequence_start", "\x08\x01").ok());
  EXPECT_FALSE(with("priority", "").ok());
  EXPECT_FALSE(with("priority", "\x08\x01").ok());
  EXPECT_FALSE(with("timeout", Unpacked(2, {-5})).ok());
}

TEST_F(DecodeTest, OffsetsOfSequences) {
  const auto lod = [&](const std::string& text) -> absl::StatusOr<base::Lod> {
    std::string value, parameter;
    wire::Writer(&value).Bytes(3, text);
    wire::Writer(&parameter).Message(4, ParameterEntry("lod", value));
    auto request = Decode(absl::Cord(Request(Input(parameter))));
    if (!request.ok()) return request.status();
    return request->inputs[0].lod;
  };
  EXPECT_THAT(*lod("[0, 2,5]"), ElementsAre(ElementsAre(0, 2, 5)));
  EXPECT_THAT(*lod("[[0,1],[0,5]]"),
              ElementsAre(ElementsAre(0, 1), ElementsAre(0, 5)));
  EXPECT_THAT(*lod("[]"), ElementsAre(ElementsAre()));
  for (const char* wrong :
       {"", "[", "]", "0,1", "[0,1", "[0,,1]", "[0,1]]", "[[0,1]", "[0][1]",
        "[[0],]", "[[0][1]]", "[a]", "[0,1],[2]", "[99999999999999999999]"}) {
    EXPECT_FALSE(lod(wrong).ok()) << wrong;
  }
  std::string many = "[[0]";
  for (int i = 0; i < 16; ++i) many += ",[0]";
  EXPECT_THAT(lod(many + "]").status().message(), HasSubstr("16 levels"));
}

TEST_F(DecodeTest, TooManyOfAnything) {
  std::string bytes = Request();
  for (int i = 0; i < 1024; ++i) wire::Writer(&bytes).Message(7, "");
  EXPECT_THAT(Decode(absl::Cord(bytes)).status().message(),
              HasSubstr("more than 1024 raw_input_contents"));
  std::string shape;
  const std::vector<int64_t> dims(17, 1);
  wire::Writer(&shape).Packed(3, dims.data(), dims.size());
  EXPECT_THAT(Decode(absl::Cord(Request(Input(shape)))).status().message(),
              HasSubstr("more than 16 dimensions"));
}

// Whatever comes is a request or an error, and nothing is kept of it.
TEST_F(DecodeTest, DamagedBytes) {
  std::string contents;
  wire::Writer(&contents).Message(5,
                                  "\x32\x08"
                                  "12345678");
  const std::string good[] = {Request(), Request(Input(contents), "")};
  std::mt19937 random(1);
  for (const std::string& bytes : good) {
    ASSERT_TRUE(Decode(absl::Cord(bytes)).ok());
    for (int i = 0; i < 20'000; ++i) {
      std::string damaged = bytes;
      for (uint32_t n = random() % 3 + 1; n > 0; --n) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      if (random() % 4 == 0) damaged.resize(random() % damaged.size());
      absl::Cord cord;
      while (!damaged.empty()) {
        const size_t size = random() % damaged.size() + 1;
        auto* part = new std::string(damaged.substr(0, size));
        cord.Append(absl::MakeCordFromExternal(*part, [part] { delete part; }));
        damaged.erase(0, size);
      }
      const auto request = Decode(cord);
      if (!request.ok()) {
        EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
  }
  EXPECT_EQ(budget_.held(), 0u);
}

}  // namespace
}  // namespace grpc
