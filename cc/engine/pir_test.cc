// What is read of programs in Paddle 3's own format: corpus/pir has some that
// Paddle 3.2.2 wrote.
#include "cc/engine/pir.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string Text(const std::string& name) {
  std::ifstream file("cc/engine/corpus/pir/" + name, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_FALSE(text.empty()) << name;
  return text;
}

Signature Parsed(const std::string& name) {
  absl::StatusOr<Signature> signature = ParsePir(Text(name));
  EXPECT_TRUE(signature.ok()) << name << ": " << signature.status();
  return signature.ok() ? *std::move(signature) : Signature();
}

void ExpectRefused(const std::string& json, absl::StatusCode code,
                   const std::string& part) {
  const absl::Status status = ParsePir(json).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

// "INPUT: LEAST to GREATEST (REASON)" of each check, with what it is a part of.
std::vector<std::string> Checks(const std::string& name) {
  const Signature signature = Parsed(name);
  std::vector<std::string> texts;
  for (const base::ValueCheck& check : signature.checks) {
    std::string text = signature.inputs[check.input].name;
    for (const base::Part& part : check.parts) {
      absl::StrAppend(&text, "[", part.axis, ":", part.begin, "-", part.end,
                      "]");
    }
    if (check.of) {
      absl::StrAppend(&text, " below ", check.of->input, ".", check.of->axis);
    } else {
      absl::StrAppend(&text, " ", check.min, " to ", check.max);
    }
    texts.push_back(absl::StrCat(text, ": ", check.reason));
  }
  return texts;
}

TEST(Pir, TellsInputsOutputsAndParameters) {
  const Signature signature = Parsed("net");
  ASSERT_EQ(signature.inputs.size(), 2u);
  EXPECT_EQ(signature.inputs[0].name, "x");
  EXPECT_EQ(signature.inputs[0].desc.data_type, 5);
  EXPECT_THAT(signature.inputs[0].desc.dims, ElementsAre(-1, 3, 8, 8));
  EXPECT_EQ(signature.inputs[1].name, "ids");
  EXPECT_EQ(signature.inputs[1].desc.data_type, 3);
  ASSERT_EQ(signature.outputs.size(), 2u);
  EXPECT_EQ(signature.outputs[0].name, "fetch_name_0");
  EXPECT_THAT(signature.outputs[0].desc.dims, ElementsAre(-1, 5));
  EXPECT_EQ(signature.outputs[1].desc.data_type, 3);
  EXPECT_EQ(signature.parameters.size(), 9u);
  EXPECT_THAT(signature.parameters.at("conv2d_0.w_0").dims,
              ElementsAre(4, 3, 3, 3));
  EXPECT_THAT(signature.shareable, ElementsAre(false, false));
}

TEST(Pir, ReadsBranchesAndLoops) {
  const Signature signature = Parsed("branches");
  EXPECT_EQ(signature.inputs.size(), 1u);
  EXPECT_TRUE(signature.parameters.empty());
  EXPECT_TRUE(signature.checks.empty());
}

TEST(Pir, TracesWhatIsLookedUp) {
  const std::string of_10 = "row of an embedding table of 10 rows";
  EXPECT_THAT(
      Checks("net"),
      ElementsAre("ids 0 to 99: row of an embedding table of 100 rows"));
  EXPECT_THAT(Checks("gather"),
              ElementsAre("i 0 to 6: index in a dimension of 7"));
  EXPECT_THAT(Checks("gather_nd"),
              ElementsAre("i[1:0-1] 0 to 4: index in a dimension of 5",
                          "i[1:1-2] 0 to 6: index in a dimension of 7"));
  EXPECT_THAT(Checks("index_put"),
              ElementsAre("i -7 to 6: index in a dimension of 7"));
  EXPECT_THAT(Checks("lstm"),
              ElementsAre("l 0 to 7: length in a dimension of 7"));
  EXPECT_THAT(Checks("multiplex"),
              ElementsAre("i 0 to 1: one of the tensors, of 2"));
  EXPECT_THAT(Checks("one_hot"),
              ElementsAre("i 0 to 8: class of a one-hot vector, of 9"));
  EXPECT_THAT(Checks("take_along_axis"),
              ElementsAre("i 0 to 6: index in a dimension of 7"));
  EXPECT_THAT(Checks("send_u_recv"),
              ElementsAre("s 0 to 4: index in a dimension of 5"));
  EXPECT_THAT(Checks("unpool"), ElementsAre("i 0 to 15: pixel, of 16"));
  EXPECT_THAT(Checks("ctc"),
              ElementsAre("y 0 to 4: label in a dimension of 5",
                          "b 0 to 3: length in a dimension of 3",
                          "a 0 to 4: length in a dimension of 4"));
  // Several of one operator, and a slice.
  EXPECT_THAT(Checks("split"), ElementsAre("i[1:0-1] 0 to 9: " + of_10,
                                           "i[1:1-3] 0 to 9: " + of_10,
                                           "i[1:1-2] 0 to 9: " + of_10));
  for (const char* each : {"chunk", "unbind"}) {
    EXPECT_THAT(Checks(each), ElementsAre("i[1:0-1] 0 to 9: " + of_10,
                                          "i[1:1-2] 0 to 9: " + of_10,
                                          "i[1:2-3] 0 to 9: " + of_10));
  }
  // Places that the program finds fit by themselves.
  EXPECT_THAT(Checks("topk"), ElementsAre());
}

TEST(Pir, TracesThroughWhatIsDoneToIt) {
  // clip(i + 1, 0, 9), 2 * i - 1, and i in other places.
  const std::vector<std::string> checks = Checks("flows");
  ASSERT_FALSE(checks.empty());
  EXPECT_THAT(checks, testing::Contains(HasSubstr("i 1 to 5: ")));
  EXPECT_THAT(checks, testing::Contains(HasSubstr("i 0 to 9: ")));
}

// What is computed of two inputs is told by neither, and Paddle 3's programs
// have no guards.
TEST(Pir, RefusesWhatItCannotTrace) {
  ExpectRefused(Text("added"), absl::StatusCode::kInvalidArgument,
                "operator embedding looks up numbers that its inputs do not "
                "tell (row of an embedding table)");
  ExpectRefused(Text("added"), absl::StatusCode::kInvalidArgument,
                "export the model with FLAGS_enable_pir_api=0");
  ExpectRefused(
      absl::StrReplaceAll(Text("gather"), {{"1.gather\"", "1.lookup_table\""}}),
      absl::StatusCode::kInvalidArgument, "operator lookup_table");
  // In place: what was read before is another value then.
  ExpectRefused(absl::StrReplaceAll(Text("flows"), {{"1.flip", "1.flip_"}}),
                absl::StatusCode::kInvalidArgument, "cannot be guarded");
}

TEST(Pir, RefusesOutputsOfOneName) {
  ExpectRefused(Text("same"), absl::StatusCode::kInvalidArgument,
                "two outputs are called \"x\"");
}

TEST(Pir, RefusesOperatorsOfOthers) {
  ExpectRefused(absl::StrReplaceAll(Text("net"), {{"1.relu", "3.relu"}}),
                absl::StatusCode::kInvalidArgument,
                "operator \"3.relu\" is of none of Paddle's own dialects");
}

TEST(Pir, RefusesWhatIsCutOff) {
  const std::string text = Text("net");
  constexpr size_t kSteps = 97;
  for (size_t i = 0; i < kSteps; ++i) {
    ExpectRefused(text.substr(0, text.size() * i / kSteps),
                  absl::StatusCode::kDataLoss, "cut off");
  }
  ExpectRefused(text + "{}", absl::StatusCode::kDataLoss, "cut off");
  ExpectRefused("\xff", absl::StatusCode::kDataLoss, "no text");
  ExpectRefused("{}", absl::StatusCode::kDataLoss, "no program of Paddle 3");
}

// Each of these ended Paddle 3.2.2 by a signal.
TEST(Pir, RefusesWhatEndsPaddle) {
  const std::vector<std::pair<std::string, std::string>> kParts = {
      {R"("OA":[1,0,1],)", ""},                               // of a parameter
      {R"({"AT":{"#":"0.a_str","D":"x"},"N":"name"},)", ""},  // of an input
      {R"({"AT":{"#":"0.a_str","D":"fetch_name_0"},"N":"name"},)", ""},
      {R"(,{"AT":{"#":"0.a_i32","D":0},"N":"col"})", ""},
  };
  for (const auto& [part, other] : kParts) {
    const std::string text = Text("net");
    ASSERT_THAT(text, HasSubstr(part));
    ExpectRefused(absl::StrReplaceAll(text, {{part, other}}),
                  absl::StatusCode::kDataLoss, "malformed operator");
  }
  const std::vector<std::pair<std::string, std::string>> kInBranches = {
      {R"("2.yield","A":[],"I":[{"%":8}])", R"("2.yield","A":[])"},
      {R"("2.yield","A":[],"I":[{"%":8}])",
       R"("2.yield","A":[],"I":[{"%":99}])"},
      {R"({"%":17,"TT":{"#":"0.t_dtensor","D":[{"#":"0.t_f32"})",
       R"({"%":17,"TT":{"#":"0.t_dtensor","D":[{"#":"0.t_f3"})"},
      {R"({"#":-2,"TT")", R"({"#":-1,"TT")"},
      {R"({"#":"1.a_dtype","D":"float32"})",
       R"({"#":"1.a_dtype","D":"float3"})"},
      {R"("#":"0.t_f32"},[-1,3],"NCHW")", R"("#":"0.t_f32"},[-1,3],"NC")"},
      {R"({"%":17,"TT":{"#":"0.t_dtensor","D":[{"#":"0.t_f32"},[-1,3],)",
       R"({"%":17,"TT":{"#":"0.t_dtensor","D":[{"#":"0.t_f32"},)"},
  };
  for (const auto& [part, other] : kInBranches) {
    const std::string text = Text("branches");
    ASSERT_THAT(text, HasSubstr(part));
    EXPECT_EQ(
        ParsePir(absl::StrReplaceAll(text, {{part, other}})).status().code(),
        absl::StatusCode::kDataLoss)
        << other;
  }
}

// What is made within a branch is not there behind it.
TEST(Pir, RefusesValuesOfOtherBlocks) {
  const std::string part = R"("2.yield","A":[],"I":[{"%":10}])";
  const std::string text = Text("branches");
  ASSERT_THAT(text, HasSubstr(part));
  ExpectRefused(
      absl::StrReplaceAll(text, {{part, R"("2.yield","A":[],"I":[{"%":8}])"}}),
      absl::StatusCode::kDataLoss, "reads %8, which nothing before it makes");
}

}  // namespace
}  // namespace engine
