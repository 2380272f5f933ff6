// Programs are guarded where the walk from a lookup ends before the inputs, and
// nowhere else. What Paddle makes of guards, //cc/bindings:values_test shows.
#include "cc/engine/guards.h"

#include <string>
#include <utility>
#include <vector>

#include "cc/engine/program.h"
#include "cc/engine/test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr int kInt64 = 3;
constexpr int kFloat = 5;

// A lookup in `table` by `index`, and before it `operators` that make the index
// of the input ids.
std::string LookupProgram(const std::string& operators,
                          const std::string& index,
                          const std::vector<TestTensor>& others = {}) {
  std::string block = Number(1, 0) + Number(2, -1) +
                      Bytes(3, ListVar("feed", 9)) +
                      Bytes(3, ListVar("fetch", 10)) +
                      Bytes(3, TensorVar({"ids", kInt64, {-1}}, false)) +
                      Bytes(3, TensorVar({"table", kFloat, {100, 8}}, true)) +
                      Bytes(3, TensorVar({"rows", kFloat, {-1, 8}}, false));
  for (const TestTensor& other : others) {
    block += Bytes(3, TensorVar(other, false));
  }
  block += Bytes(4, Op("feed", "feed", "ids", 0)) + operators +
           Bytes(4, Bytes(1, Bytes(1, "Index") + Bytes(2, index)) +
                        Bytes(1, Bytes(1, "X") + Bytes(2, "table")) +
                        Bytes(2, Bytes(1, "Out") + Bytes(2, "rows")) +
                        Bytes(3, "gather")) +
           Bytes(4, Op("fetch", "rows", "fetch", 0));
  // A version after the block, which stays.
  return Bytes(1, block) + Bytes(4, Number(1, 1234));
}

Signature Parsed(const std::string& program) {
  absl::StatusOr<Signature> signature = ParseProgram(program);
  EXPECT_TRUE(signature.ok()) << signature.status();
  return signature.ok() ? *std::move(signature) : Signature();
}

TEST(Guards, LeaveAloneWhatTheInputsTell) {
  const Signature signature = Parsed(LookupProgram("", "ids"));
  EXPECT_EQ(signature.guarded.program, "");
  ASSERT_EQ(signature.checks.size(), 1u);
  EXPECT_EQ(signature.checks[0].max, 99);
}

TEST(Guards, LeaveAloneWhatIsInRangeByNature) {
  const std::vector<TestTensor> made = {{"i", kInt64, {-1}},
                                        {"scores", kFloat, {-1, 100}},
                                        {"more", kFloat, {-1, 101}}};
  const auto constant = [&](float value) {
    return Bytes(
        4, Bytes(2, Bytes(1, "Out") + Bytes(2, "i")) +
               Bytes(3, "fill_constant") +
               Bytes(4, Bytes(1, "value") + Number(2, 1) + Real(4, value)));
  };
  EXPECT_EQ(Parsed(LookupProgram(constant(99), "i", made)).guarded.program, "");
  EXPECT_NE(Parsed(LookupProgram(constant(100), "i", made)).guarded.program,
            "");
  const auto argmax = [&](const std::string& of) {
    return Bytes(4, Op("one_hot", "ids", of)) +
           Bytes(4, Op("arg_max", of, "i"));
  };
  EXPECT_EQ(Parsed(LookupProgram(argmax("scores"), "i", made)).guarded.program,
            "");
  EXPECT_NE(Parsed(LookupProgram(argmax("more"), "i", made)).guarded.program,
            "");
}

TEST(Guards, TakeSortedValuesForNoPlaces) {
  const auto sorted = [](const std::string& values, const std::string& places) {
    const std::string square = Bytes(4, Op("square", "ids", "seven"));
    const std::string sort =
        Bytes(4, Bytes(1, Bytes(1, "X") + Bytes(2, "seven")) +
                     Bytes(2, Bytes(1, "Out") + Bytes(2, values)) +
                     Bytes(2, Bytes(1, "Indices") + Bytes(2, places)) +
                     Bytes(3, "argsort"));
    const std::vector<TestTensor> made = {
        {"i", kInt64, {7}}, {"j", kInt64, {7}}, {"seven", kInt64, {7}}};
    return Parsed(LookupProgram(square + sort, "i", made)).guarded.program;
  };
  EXPECT_EQ(sorted("j", "i"), "");
  EXPECT_NE(sorted("i", "j"), "");
}

TEST(Guards, StandBeforeALookupOfWhatIsComputed) {
  const std::string program = LookupProgram(Bytes(4, Op("square", "ids", "i")),
                                            "i", {{"i", kInt64, {-1}}});
  const Guarded guarded = Parsed(program).guarded;
  EXPECT_THAT(guarded.errors,
              ElementsAre(Pair("guard0.fits",
                               "operator gather: an element of i is out of "
                               "range, the model takes 0 to 99 (index in a "
                               "dimension of 100)")));
  // A program still, in which the lookup reads what the guard gives, and the
  // rest of the file is as it was.
  EXPECT_TRUE(ParseProgram(guarded.program).ok());
  EXPECT_THAT(guarded.program,
              HasSubstr(Bytes(1, Bytes(1, "Index") + Bytes(2,
                                                           "guard0."
                                                           "clipped"))));
  EXPECT_THAT(guarded.program, HasSubstr(Bytes(4, Op("square", "ids", "i"))));
  EXPECT_THAT(guarded.program, testing::EndsWith(Bytes(4, Number(1, 1234))));
}

TEST(Guards, HaveNamesThatNothingElseHas) {
  const Guarded guarded =
      Parsed(LookupProgram(Bytes(4, Op("square", "ids", "guard0.fits")),
                           "guard0.fits", {{"guard0.fits", kInt64, {-1}}}))
          .guarded;
  ASSERT_EQ(guarded.errors.size(), 1u);
  EXPECT_EQ(guarded.errors.begin()->first, "guard_0.fits");
}

}  // namespace
}  // namespace engine
