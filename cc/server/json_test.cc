#include "cc/server/json.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace server {
namespace {

bool IsJson(absl::string_view text) {
  JsonReader reader(text);
  reader.Skip();
  reader.End();
  return reader.ok();
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

TEST(JsonReader, TakesWhatRfc8259Takes) {
  for (const char* text :
       {"null", "true", "false", "0", "-0", "10", "0.5", "-1.5e-7", "1E+2",
        "\"\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
        "\"\xC3\xA9 \xF0\x9F\x98\x80 \xEF\xBF\xBF\"", "[]", "[[],{}]",
        " \t\r\n[ 1 , 2 ] ", "{}", "{\"a\":{\"b\":[1,\"c\",null]},\"\":0}"}) {
    EXPECT_TRUE(IsJson(text)) << text;
  }
}

TEST(JsonReader, RefusesTheRest) {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "True",
                           "NaN",
                           "Infinity",
                           "-",
                           "+1",
                           "01",
                           "-01",
                           "00",
                           ".5",
                           "1.",
                           "1.e5",
                           "1e",
                           "1e+",
                           "0x10",
                           "1 2",
                           "\"",
                           "\"\\\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\\ud83d\"",
                           "\"\\ud83dx\"",
                           "\"\\ud83d\\u0041\"",
                           "\"\\ude00\"",
                           "\"\n\"",
                           "\"\xFF\"",
                           "\"\xC0\x80\"",
                           "\"\xED\xA0\x80\"",
                           "\"\xF4\x90\x80\x80\"",
                           "\"\xC3\"",
                           "\"\xE2\x82\"",
                           "[",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "]",
                           "{",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:1}",
                           "{\"a\" 1}",
                           "{\"a\":1 \"b\":2}",
                           "[1}",
                           "{\"a\":1]",
                           "/**/1",
                           "1//"}) {
    EXPECT_FALSE(IsJson(text)) << text;
  }
}

TEST(JsonReader, BoundsDepth) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(IsJson(nested(JsonReader::kMaxDepth)));
  EXPECT_FALSE(IsJson(nested(JsonReader::kMaxDepth + 1)));
  EXPECT_FALSE(IsJson(std::string(10'000'000, '[')));
}

TEST(JsonReader, EveryPrefixOfAValueIsAnErrorAndNoCrash) {
  const std::string text =
      R"({"inputs":[{"name":"x","shape":[1,2],"data":[1.5e3,-2],"b":true,)"
      R"("s":"\u00e9\ud83d\ude00"}],"n":null})";
  ASSERT_TRUE(IsJson(text));
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(IsJson(absl::string_view(text).substr(0, i))) << i;
  }
}

TEST(JsonReader, ReadsValues) {
  JsonReader reader(R"({"s":"a\u00e9\n","i":-7,"b":[true,false],"x":{}})");
  std::string key;
  std::string keys;
  reader.EnterObject();
  while (reader.NextKey(&key)) {
    keys += key;
    if (key == "s") {
      EXPECT_EQ(reader.String(), "a\xC3\xA9\n");
    } else if (key == "i") {
      EXPECT_EQ(reader.Integer<int8_t>(), -7);
    } else if (key == "b") {
      reader.EnterArray();
      EXPECT_TRUE(reader.NextElement());
      EXPECT_TRUE(reader.Bool());
      EXPECT_TRUE(reader.NextElement());
      EXPECT_FALSE(reader.Bool());
      EXPECT_FALSE(reader.NextElement());
    } else {
      reader.Skip();
    }
  }
  reader.End();
  EXPECT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(keys, "sibx");
}

TEST(JsonReader, IntegersKeepToTheirType) {
  const auto fits = [](absl::string_view text, auto type) {
    JsonReader reader(text);
    reader.Integer<decltype(type)>();
    return reader.ok();
  };
  EXPECT_TRUE(fits("127", int8_t{}));
  EXPECT_FALSE(fits("128", int8_t{}));
  EXPECT_FALSE(fits("-1", uint8_t{}));
  EXPECT_TRUE(fits("-9223372036854775808", int64_t{}));
  EXPECT_FALSE(fits("9223372036854775808", int64_t{}));
  EXPECT_FALSE(fits("1.0", int32_t{}));
  EXPECT_FALSE(fits("1e2", int32_t{}));
}

TEST(JsonReader, ErrorsSayWhereAndStick) {
  JsonReader reader("[1, x]");
  reader.Skip();
  EXPECT_EQ(reader.status().message(),
            "JSON, byte 4: no value starts with this character");
  reader.Fail("something else");
  EXPECT_EQ(reader.status().message(),
            "JSON, byte 4: no value starts with this character");
  reader.Prefix("here: ");
  EXPECT_EQ(reader.status().message(),
            "here: JSON, byte 4: no value starts with this character");
  EXPECT_EQ(reader.Peek(), JsonReader::Kind::kNone);
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
  EXPECT_EQ(Number(-0.0f), "-0");
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
}  // namespace server
