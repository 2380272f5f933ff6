#include "cc/base/json.h"

#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace base {
namespace {

bool IsJson(absl::string_view text) {
  static auto* const parser = new simdjson::dom::parser;
  return parser->parse(text.data(), text.size()).error() == simdjson::SUCCESS;
}

std::string Quoted(absl::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

template <typename T>
std::string Number(T value) {
  std::string out;
  EXPECT_TRUE(AppendJsonNumber(value, &out));
  return out;
}

TEST(JsonWriter, EscapesStrings) {
  EXPECT_EQ(Quoted("a\"b\\c\n\r\t"), "\"a\\\"b\\\\c\\n\\r\\t\"");
  EXPECT_EQ(Quoted(absl::string_view("\0\x1F\x7F", 3)),
            "\"\\u0000\\u001f\\u007f\"");
  EXPECT_EQ(Quoted("\xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80"),
            "\"\xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80\"");
  EXPECT_EQ(Quoted("a\xFFz\xC3"), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
  // Every byte after every byte gives valid JSON.
  for (int i = 0; i < 0x10000; ++i) {
    const char bytes[] = {static_cast<char>(i >> 8), static_cast<char>(i)};
    ASSERT_TRUE(IsJson(Quoted(absl::string_view(bytes, 2)))) << i;
  }
}

TEST(JsonWriter, NumbersAreTheShortestThatReadBack) {
  EXPECT_EQ(Number(0.1f), "0.1");
  EXPECT_EQ(Number(0.1), "0.1");
  EXPECT_EQ(Number(1.0f), "1");
  EXPECT_EQ(Number(-0.0f), "-0.0");
  EXPECT_EQ(Number(0.0f), "0");
  EXPECT_EQ(Number(123456789012345680000.0), "123456789012345683968.0");
  EXPECT_EQ(Number(std::numeric_limits<double>::max()),
            "1.7976931348623157e+308");
  EXPECT_EQ(Number(std::numeric_limits<int64_t>::min()),
            "-9223372036854775808");
  EXPECT_EQ(Number(uint8_t{200}), "200");
  std::string out;
  EXPECT_FALSE(AppendJsonNumber(std::nan(""), &out));
  EXPECT_FALSE(AppendJsonNumber(-INFINITY, &out));
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace base
