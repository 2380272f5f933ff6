#include "cc/frontend/rest/tensor_json.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using base::DataType;
using infer::Tensor;
using ::testing::HasSubstr;

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(T));
}

// The data read, or the error.
std::string Read(DataType type, const std::vector<int64_t>& shape,
                 absl::string_view text, base::ByteBudget* budget = nullptr) {
  Tensor tensor{"x", type, shape, {}};
  const simdjson::padded_string padded(text.data(), text.size());
  json::parser parser;
  json::document document;
  json::array data;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS ||
      document.get_array().get(data) != simdjson::SUCCESS) {
    return "malformed";
  }
  const absl::Status status =
      ReadTensorData(data, text.size(), budget, &tensor);
  return status.ok() ? std::string(tensor.data) : std::string(status.message());
}

TEST(ReadTensorData, EveryType) {
  EXPECT_EQ(Read(DataType::kBool, {2}, "[true,false]"), std::string("\1\0", 2));
  EXPECT_EQ(Read(DataType::kUint8, {2}, "[0,255]"), Bytes<uint8_t>({0, 255}));
  EXPECT_EQ(Read(DataType::kInt8, {2}, "[-128,127]"),
            Bytes<int8_t>({-128, 127}));
  EXPECT_EQ(Read(DataType::kInt32, {2}, "[-2147483648,2147483647]"),
            Bytes<int32_t>({INT32_MIN, INT32_MAX}));
  EXPECT_EQ(Read(DataType::kInt64, {1}, "[9223372036854775807]"),
            Bytes<int64_t>({INT64_MAX}));
  EXPECT_EQ(Read(DataType::kFloat32, {3}, "[1,-2.5,1e-3]"),
            Bytes<float>({1, -2.5f, 1e-3f}));
  EXPECT_EQ(Read(DataType::kFloat64, {2}, "[0.1,1e308]"),
            Bytes<double>({0.1, 1e308}));
  EXPECT_EQ(Read(DataType::kUint16, {2}, "[0,65535]"),
            Bytes<uint16_t>({0, 65535}));
  EXPECT_EQ(Read(DataType::kUint32, {1}, "[4294967295]"),
            Bytes<uint32_t>({UINT32_MAX}));
  EXPECT_EQ(Read(DataType::kUint64, {1}, "[18446744073709551615]"),
            Bytes<uint64_t>({UINT64_MAX}));
  EXPECT_EQ(Read(DataType::kInt16, {2}, "[-32768,32767]"),
            Bytes<int16_t>({INT16_MIN, INT16_MAX}));
  // Rounded to the nearest, halves to even.
  EXPECT_EQ(Read(DataType::kFloat16, {4}, "[1,0.1,2049,2051]"),
            Bytes<uint16_t>({0x3C00, 0x2E66, 0x6800, 0x6802}));
  EXPECT_EQ(Read(DataType::kBfloat16, {2}, "[1,-3.14159265]"),
            Bytes<uint16_t>({0x3F80, 0xC049}));
}

TEST(ReadTensorData, Strings) {
  EXPECT_EQ(Read(DataType::kBytes, {2}, R"(["a\u00e9\n",""])"),
            std::string("\4\0\0\0a\xC3\xA9\n\0\0\0\0", 12));
  EXPECT_EQ(Read(DataType::kBytes, {2, 1}, R"([["a"],["b"]])"),
            std::string("\1\0\0\0a\1\0\0\0b", 10));
  EXPECT_THAT(Read(DataType::kBytes, {1}, "[1]"),
              HasSubstr("element 0 is 1, which is no BYTES"));
  EXPECT_THAT(Read(DataType::kBytes, {1}, R"(["\ud800"])"),
              HasSubstr("which is no BYTES"));
}

TEST(ReadTensorData, FlatAndNestedAreTheSame) {
  const std::string expected = Bytes<int32_t>({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(Read(DataType::kInt32, {2, 3}, "[1,2,3,4,5,6]"), expected);
  EXPECT_EQ(Read(DataType::kInt32, {2, 3}, " [ [1,2,3] , [4,5,6] ] "),
            expected);
  EXPECT_EQ(
      Read(DataType::kInt32, {1, 2, 3, 1}, "[[[[1],[2],[3]],[[4],[5],[6]]]]"),
      expected);
  EXPECT_EQ(Read(DataType::kInt32, {}, "[7]"), Bytes<int32_t>({7}));
}

TEST(ReadTensorData, RefusesOtherCountsAndShapes) {
  EXPECT_THAT(Read(DataType::kInt32, {2, 3}, "[1,2,3,4,5]"),
              HasSubstr("fewer than 6 elements for shape [2,3]"));
  EXPECT_THAT(Read(DataType::kInt32, {2, 3}, "[1,2,3,4,5,6,7]"),
              HasSubstr("more than 6 elements"));
  EXPECT_THAT(Read(DataType::kInt32, {2, 3}, "[[1,2,3],[4,5]]"),
              HasSubstr("fewer than 3 elements in dimension 1"));
  EXPECT_THAT(Read(DataType::kInt32, {2, 3}, "[[1,2,3],[4,5,6,7]]"),
              HasSubstr("more than 3 elements in dimension 1"));
  EXPECT_THAT(Read(DataType::kInt32, {2, 3}, "[[1,2],[3,4],[5,6]]"),
              HasSubstr("fewer than 3 elements"));
  EXPECT_THAT(Read(DataType::kInt32, {2, 2}, "[[1,2],3]"),
              HasSubstr("dimension 1 is not an array all over"));
  EXPECT_THAT(Read(DataType::kInt32, {2, 2}, "[[1,2],3,4]"),
              HasSubstr("dimension 1 is not an array all over"));
  EXPECT_THAT(Read(DataType::kInt32, {2, 2}, "[1,2,[3,4]]"),
              HasSubstr("which is no"));
  EXPECT_THAT(Read(DataType::kInt32, {4}, "[[1,2],[3,4]]"),
              HasSubstr("which is no"));
  EXPECT_THAT(Read(DataType::kInt32, {1}, "[]"), HasSubstr("fewer"));
}

TEST(ReadTensorData, RefusesValuesOutOfRangeOrOfAnotherKind) {
  EXPECT_THAT(Read(DataType::kUint8, {1}, "[256]"), HasSubstr("256"));
  EXPECT_THAT(Read(DataType::kUint8, {1}, "[-1]"), HasSubstr("-1"));
  EXPECT_THAT(Read(DataType::kInt8, {1}, "[128]"), HasSubstr("128"));
  EXPECT_THAT(Read(DataType::kInt32, {1}, "[2147483648]"),
              HasSubstr("2147483648"));
  EXPECT_THAT(Read(DataType::kInt32, {1}, "[1.5]"),
              HasSubstr("element 0 is 1.5, which is no INT32"));
  EXPECT_THAT(Read(DataType::kFloat32, {1}, "[1e39]"),
              HasSubstr("which is no FP32"));
  EXPECT_THAT(Read(DataType::kFloat64, {1}, "[-1e400]"),
              HasSubstr("which is no FP64"));
  EXPECT_THAT(Read(DataType::kFloat16, {1}, "[65520]"),
              HasSubstr("element 0 is 65520, which is no FP16"));
  EXPECT_THAT(Read(DataType::kUint64, {1}, "[-1]"), HasSubstr("no UINT64"));
  EXPECT_THAT(Read(DataType::kFloat32, {1}, "[" + std::string(99, '9') + "]"),
              HasSubstr("element 0 is " + std::string(40, '9') + ", which"));
  EXPECT_THAT(Read(DataType::kFloat32, {1}, "[\"1\"]"),
              HasSubstr("which is no"));
  EXPECT_THAT(Read(DataType::kFloat32, {1}, "[null]"),
              HasSubstr("which is no"));
  EXPECT_THAT(Read(DataType::kBool, {1}, "[1]"), HasSubstr("which is no BOOL"));
  // Too small for the type is zero, or the next denormal.
  EXPECT_EQ(Read(DataType::kFloat32, {2}, "[1e-60,-1e-60]"),
            Bytes<float>({0.0f, -0.0f}));
}

TEST(ReadTensorData, TakesNoMemoryForWhatIsNotThere) {
  const int64_t big = std::numeric_limits<int32_t>::max();
  base::ByteBudget budget(0);  // to take anything of it is an error
  EXPECT_THAT(Read(DataType::kFloat64, {big, big, big, big}, "[1]", &budget),
              HasSubstr("not possible"));
  EXPECT_THAT(Read(DataType::kUint8, {-1}, "[1]", &budget),
              HasSubstr("not possible"));
  EXPECT_THAT(Read(DataType::kUint8, {big, 1000}, "[1]", &budget),
              HasSubstr("fewer than 2147483647000 elements"));
  EXPECT_THAT(Read(DataType::kUint8, {2}, "[1]", &budget), HasSubstr("fewer"));
  EXPECT_EQ(Read(DataType::kUint8, {0}, "[]", &budget), "");
  EXPECT_EQ(Read(DataType::kUint8, {0, 2}, "[]", &budget), "");
  EXPECT_THAT(Read(DataType::kUint8, {0, 2}, "[[]]", &budget),
              HasSubstr("more than 0"));
}

TEST(ReadTensorData, TakesOfTheBudgetAsLongAsTheDataLives) {
  base::ByteBudget budget(10);
  EXPECT_THAT(Read(DataType::kInt32, {3}, "[1,2,3]", &budget),
              HasSubstr("no room for a tensor of 12 bytes"));
  EXPECT_THAT(Read(DataType::kBytes, {2}, R"(["abc","d"])", &budget),
              HasSubstr("no room for a tensor of 12 bytes"));
  EXPECT_THAT(Read(DataType::kInt32, {2}, "[1,true]", &budget),
              HasSubstr("which is no"));
  EXPECT_EQ(budget.held(), 0u);
  Tensor tensor{"x", DataType::kInt32, {2}, {}};
  const simdjson::padded_string text(std::string("[1,2]"));
  json::parser parser;
  json::document document;
  json::array data;
  ASSERT_FALSE(parser.iterate(text).get(document));
  ASSERT_FALSE(document.get_array().get(data));
  ASSERT_TRUE(ReadTensorData(data, text.size(), &budget, &tensor).ok());
  EXPECT_EQ(budget.held(), 8u);
  absl::Cord other = tensor.data;
  tensor.data.Clear();
  EXPECT_EQ(budget.held(), 8u);
  other.Clear();
  EXPECT_EQ(budget.held(), 0u);
}

TEST(AppendTensorData, EveryType) {
  const auto text = [](DataType type, std::string data) {
    std::string out;
    const absl::Status status =
        AppendTensorData({"y", type, {}, absl::Cord(std::move(data))}, &out);
    return status.ok() ? out : std::string(status.message());
  };
  EXPECT_EQ(text(DataType::kBool, std::string("\1\0", 2)), "[true,false]");
  EXPECT_EQ(text(DataType::kUint8, Bytes<uint8_t>({0, 255})), "[0,255]");
  EXPECT_EQ(text(DataType::kInt8, Bytes<int8_t>({-1})), "[-1]");
  EXPECT_EQ(text(DataType::kInt32, Bytes<int32_t>({-5, 6})), "[-5,6]");
  EXPECT_EQ(text(DataType::kInt64, Bytes<int64_t>({INT64_MIN})),
            "[-9223372036854775808]");
  EXPECT_EQ(text(DataType::kFloat32, Bytes<float>({0.1f, 1e-5f, 3})),
            "[0.1,1e-05,3]");
  EXPECT_EQ(text(DataType::kFloat64, ""), "[]");
  EXPECT_EQ(text(DataType::kUint16, Bytes<uint16_t>({65535})), "[65535]");
  EXPECT_EQ(text(DataType::kUint32, Bytes<uint32_t>({UINT32_MAX})),
            "[4294967295]");
  EXPECT_EQ(text(DataType::kUint64, Bytes<uint64_t>({UINT64_MAX})),
            "[18446744073709551615]");
  EXPECT_EQ(text(DataType::kInt16, Bytes<int16_t>({-7})), "[-7]");
  EXPECT_EQ(text(DataType::kFloat16, Bytes<uint16_t>({0x3C00, 0x2E66})),
            "[1,0.099975586]");
  EXPECT_EQ(text(DataType::kBfloat16, Bytes<uint16_t>({0xC049})),
            "[-3.140625]");
  EXPECT_THAT(text(DataType::kFloat16, Bytes<uint16_t>({0x7C00})),
              HasSubstr("\"y\" holds NaN or infinity at element 0"));
  EXPECT_EQ(text(DataType::kBytes,
                 std::string("\3\0\0\0a\"b\0\0\0\0\2\0\0\0\xC3\xA9", 17)),
            "[\"a\\\"b\",\"\",\"\xC3\xA9\"]");
  EXPECT_THAT(text(DataType::kBytes, std::string("\1\0\0\0\xFF", 5)),
              HasSubstr("is not UTF-8 at element 0"));
  EXPECT_THAT(text(DataType::kBytes, std::string("\1\0\0\0a\2", 6)),
              HasSubstr("is cut off at element 1"));
  EXPECT_THAT(text(DataType::kFloat32, Bytes<float>({1, NAN})),
              HasSubstr("\"y\" holds NaN or infinity at element 1"));
  EXPECT_THAT(text(DataType::kFloat64, Bytes<double>({INFINITY})),
              HasSubstr("binary"));
}

// What is written reads back as the same bits: here, and in a client that
// reads a double and rounds it, as those in Python and JavaScript do.
template <typename T, typename Bits>
void ExpectRoundTrip(DataType type) {
  std::mt19937_64 random(7);
  std::vector<T> values;
  for (const double value : {-0.0, 1e19, 1e20, 1e22, 123456789012345680000.0}) {
    values.push_back(static_cast<T>(value));
  }
  while (values.size() < 200'000) {
    const Bits bits = static_cast<Bits>(random());
    T value;
    std::memcpy(&value, &bits, sizeof(value));
    if (std::isfinite(value)) values.push_back(value);
  }
  const Tensor tensor{"y", type, {200'000}, absl::Cord(Bytes(values))};
  std::string text;
  ASSERT_TRUE(AppendTensorData(tensor, &text).ok());
  ASSERT_TRUE(Read(type, tensor.shape, text) == std::string(tensor.data));
  const char* p = text.c_str();
  for (const T value : values) {
    char* end;
    const T read = static_cast<T>(std::strtod(p + 1, &end));
    ASSERT_EQ(std::memcmp(&read, &value, sizeof(value)), 0) << value;
    p = end;
  }
}

TEST(AppendTensorData, FloatsReadBackAsTheSameBits) {
  ExpectRoundTrip<float, uint32_t>(DataType::kFloat32);
  ExpectRoundTrip<double, uint64_t>(DataType::kFloat64);
}

}  // namespace
}  // namespace rest
