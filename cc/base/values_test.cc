#include "cc/base/values.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace base {
namespace {

using testing::HasSubstr;

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(T));
}

TensorSpec Ids(DataType dtype) {
  TensorSpec spec{"ids", dtype, {-1}};
  spec.range = {0, 99, "row of a table of 100 rows"};
  return spec;
}

// Every way to cut the bytes in three.
template <typename T>
void ExpectFound(DataType dtype, std::vector<T> values, size_t at,
                 const std::string& shown) {
  const std::string bytes = BytesOf(values);
  const std::string message = "element " + std::to_string(at) + " is " + shown +
                              ", the model takes 0 to 99 (row of a table of "
                              "100 rows)";
  EXPECT_EQ(CheckValues(Ids(dtype), bytes).message(), message);
  values[at] = 99;
  const std::string good = BytesOf(values);
  EXPECT_TRUE(CheckValues(Ids(dtype), good).ok());
  for (size_t i = 0; i <= bytes.size(); ++i) {
    for (size_t j = i; j <= bytes.size(); ++j) {
      const auto cord = [&](const std::string& from) {
        absl::Cord cord;
        for (const auto& [begin, end] :
             {std::pair(size_t{0}, i), {i, j}, {j, from.size()}}) {
          // An external piece stays a piece of its own, however short.
          if (begin == end) continue;
          cord.Append(absl::MakeCordFromExternal(
              absl::string_view(from).substr(begin, end - begin), [] {}));
        }
        return cord;
      };
      EXPECT_EQ(CheckValues(Ids(dtype), cord(bytes)).message(), message);
      EXPECT_TRUE(CheckValues(Ids(dtype), cord(good)).ok());
    }
  }
}

TEST(CheckValues, FindsTheElementInBytesCutAnywhere) {
  ExpectFound<int64_t>(DataType::kInt64, {0, 99, 5, -1, 7}, 3, "-1");
  ExpectFound<int64_t>(DataType::kInt64, {100, 1}, 0, "100");
  ExpectFound<int32_t>(DataType::kInt32, {0, 1, 2, 1 << 30}, 3, "1073741824");
  ExpectFound<uint8_t>(DataType::kUint8, {0, 200, 2}, 1, "200");
  ExpectFound<int8_t>(DataType::kInt8, {0, 2, -128}, 2, "-128");
}

TEST(CheckValues, FindsItAnywhereInManyElements) {
  for (const size_t at : {0, 1, 1023, 1024, 4095, 4999}) {
    std::vector<int64_t> values(5000, 42);
    EXPECT_TRUE(CheckValues(Ids(DataType::kInt64), BytesOf(values)).ok());
    values[at] = std::numeric_limits<int64_t>::min();
    EXPECT_THAT(
        std::string(
            CheckValues(Ids(DataType::kInt64), BytesOf(values)).message()),
        HasSubstr("element " + std::to_string(at) +
                  " is -9223372036854775808"));
  }
}

TEST(CheckValues, TakesAllValuesOfATypeNarrowerThanTheRange) {
  TensorSpec spec{"ids", DataType::kUint8, {-1}};
  spec.range = {-5, 100000};
  EXPECT_TRUE(CheckValues(spec, std::string("\0\xff", 2)).ok());
  spec.dtype = DataType::kInt8;
  spec.range = {0, 100000};
  EXPECT_FALSE(CheckValues(spec, "\xff").ok());
  EXPECT_TRUE(CheckValues(spec, "\x7f").ok());
}

TEST(CheckValues, LooksAtBoolsAndAtNothingElseWithoutARange) {
  const TensorSpec flag{"flag", DataType::kBool, {-1}};
  EXPECT_TRUE(CheckValues(flag, std::string("\0\1", 2)).ok());
  EXPECT_FALSE(CheckValues(flag, std::string("\0\2", 2)).ok());
  absl::Cord cord("\1");
  cord.Append(absl::MakeCordFromExternal("\2", [] {}));
  EXPECT_FALSE(CheckValues(flag, cord).ok());
  EXPECT_TRUE(
      CheckValues({"n", DataType::kInt64, {-1}}, std::string(8, '\xff')).ok());
}

}  // namespace
}  // namespace base
