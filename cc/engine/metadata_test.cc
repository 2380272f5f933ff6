#include "cc/engine/metadata.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

using testing::HasSubstr;

std::vector<TensorSpec> Inputs() {
  TensorSpec ids{"ids", DataType::kInt64, {-1}};
  ids.range = {0, 999, "row of an embedding table of 1000 rows"};
  return {{"x", DataType::kFloat32, {-1}}, ids, {"n", DataType::kInt64, {-1}}};
}

absl::Status Narrow(const std::string& inputs, std::vector<TensorSpec>* specs) {
  return NarrowRanges("{\"name\": \"m\", \"inputs\": [" + inputs +
                          "], \"metrics\": {\"loss\": NaN, \"a\": [1.5e-3, "
                          "{}, [], null]}}",
                      specs);
}

TEST(NarrowRanges, TakesWhatIsNarrowerThanTheProgramsOwn) {
  auto specs = Inputs();
  ASSERT_TRUE(Narrow(R"({"name": "x", "shape": [-1]},
                        {"range": [5, 99], "name": "\u0069ds"},
                        {"name": "n", "range": [-3, 4]})",
                     &specs)
                  .ok());
  EXPECT_FALSE(specs[0].range);
  EXPECT_EQ(specs[1].range->min, 5);
  EXPECT_EQ(specs[1].range->max, 99);
  EXPECT_EQ(specs[1].range->reason, "metadata.json");
  EXPECT_EQ(specs[2].range->min, -3);
  EXPECT_EQ(specs[2].range->max, 4);
}

TEST(NarrowRanges, KeepsTheReasonOfAnEqualRange) {
  auto specs = Inputs();
  ASSERT_TRUE(Narrow(R"({"name": "ids", "range": [0, 999]})", &specs).ok());
  EXPECT_THAT(specs[1].range->reason, HasSubstr("embedding"));
  ASSERT_TRUE(Narrow(R"({"name": "ids", "range": null})", &specs).ok());
  EXPECT_EQ(specs[1].range->max, 999);
}

TEST(NarrowRanges, RefusesWhatIsWiderOrNoRange) {
  for (const auto& [inputs, what] :
       std::vector<std::pair<std::string, std::string>>{
           {R"({"name": "ids", "range": [0, 1000]})",
            "the range of input ids is [0, 1000], wider than what the program "
            "bears: [0, 999] (row of an embedding table of 1000 rows)"},
           {R"({"name": "ids", "range": [-1, 999]})", "wider"},
           {R"({"name": "ids", "range": [7]})", "two whole numbers"},
           {R"({"name": "ids", "range": [7, 6]})", "two whole numbers"},
           {R"({"name": "ids", "range": [0, 1.5]})", "two whole numbers"},
           {R"({"name": "ids", "range": [0, "9"]})", "two whole numbers"},
           {R"({"name": "ids", "range": [0, [9]]})", "two whole numbers"},
           {R"({"name": "ids", "range": 9})", "two whole numbers"},
           {R"({"name": "idz", "range": [0, 9]})", "is of no input"},
           {R"({"name": "\ud83d", "range": [0, 9]})", "\xEF\xBF\xBD"},
           {R"({"range": [0, 9]})", "is of no input"}}) {
    auto specs = Inputs();
    const absl::Status status = Narrow(inputs, &specs);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << inputs;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }
}

// Cut off anywhere it is none; with any byte changed it ends all the same.
TEST(NarrowRanges, RefusesWhatIsNoJson) {
  const std::string good =
      R"({"inputs": [{"name": "i\n\u00e4", "x": [true, -1e5]}], "a": {"b": ""}})";
  auto specs = Inputs();
  ASSERT_TRUE(NarrowRanges(good, &specs).ok());
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT_EQ(NarrowRanges(good.substr(0, i), &specs).code(),
              absl::StatusCode::kDataLoss)
        << i;
    for (const char c : {'\0', '"', '[', '{', '}', '\\', '\xff'}) {
      std::string damaged = good;
      damaged[i] = c;
      NarrowRanges(damaged, &specs).IgnoreError();
    }
  }
  EXPECT_EQ(NarrowRanges("{\"a\xff\": 1}", &specs).code(),
            absl::StatusCode::kDataLoss);
  // No four digits, the last of them half a letter.
  for (const char* const digits : {"006\u00db", "0x41", " 041", "12"}) {
    EXPECT_EQ(
        NarrowRanges(absl::StrCat("{\"\\u", digits, "\": 1}"), &specs).code(),
        absl::StatusCode::kDataLoss)
        << digits;
  }
  EXPECT_FALSE(NarrowRanges("[]", &specs).ok());
  EXPECT_FALSE(NarrowRanges("{} {}", &specs).ok());
  EXPECT_FALSE(NarrowRanges(std::string(100000, '['), &specs).ok());
  EXPECT_FALSE(NarrowRanges("{\"a\":" + std::string(100000, '['), &specs).ok());
}

}  // namespace
}  // namespace engine
