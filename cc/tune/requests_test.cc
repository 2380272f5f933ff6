#include "cc/tune/requests.h"

#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "cc/infer/validate.h"
#include "gtest/gtest.h"

namespace tune {
namespace {

infer::ModelInfo Model(const std::vector<base::TensorSpec>& inputs) {
  infer::ModelInfo model;
  model.name = "m";
  model.inputs = inputs;
  model.max_batch_size = std::numeric_limits<int32_t>::max();
  for (const base::TensorSpec& spec : inputs) {
    if (spec.shape.empty() || spec.shape[0] >= 0) model.max_batch_size = 0;
  }
  return model;
}

bool Says(const absl::Status& status, absl::string_view words) {
  return absl::StrContains(status.message(), words);
}

TEST(Requests, HaveRowsWithinTheRanges) {
  const infer::ModelInfo model = Model({{"ids",
                                         base::DataType::kInt64,
                                         {-1, 3},
                                         0,
                                         base::ValueRange{5, 9, ""}}});
  const auto requests = Requests::Make(model, {}, std::nullopt);
  ASSERT_TRUE(requests.ok()) << requests.status();
  EXPECT_TRUE(requests->divides());
  const infer::Request three = requests->Of(7, 3);
  EXPECT_TRUE(infer::Validate(model, three).ok());
  EXPECT_EQ(three.inputs[0].shape, (std::vector<int64_t>{3, 3}));
  // A row is the same in every request.
  EXPECT_EQ(three.inputs[0].data.Subcord(24, 24),
            requests->Of(8, 1).inputs[0].data);
  EXPECT_NE(requests->Of(7, 1).inputs[0].data,
            requests->Of(8, 1).inputs[0].data);
}

TEST(Requests, AskForSizesThatAreOpen) {
  const infer::ModelInfo model =
      Model({{"x", base::DataType::kFloat32, {-1, 3, -1}}});
  const auto open = Requests::Make(model, {}, std::nullopt);
  EXPECT_TRUE(Says(open.status(), "--shape=x=-1,3,16")) << open.status();
  const auto wrong = Requests::Make(model, {{"x", {-1, 4, 8}}}, std::nullopt);
  EXPECT_TRUE(Says(wrong.status(), "does not fit")) << wrong.status();
  const auto rows = Requests::Make(model, {{"x", {2, 3, 8}}}, std::nullopt);
  EXPECT_TRUE(Says(rows.status(), "--rows counts there")) << rows.status();
  const auto other = Requests::Make(model, {{"y", {1}}}, std::nullopt);
  EXPECT_TRUE(Says(other.status(), "\"y\"")) << other.status();
  const auto sized = Requests::Make(model, {{"x", {-1, 3, 8}}}, std::nullopt);
  ASSERT_TRUE(sized.ok()) << sized.status();
  EXPECT_EQ(sized->Of(0, 2).inputs[0].shape, (std::vector<int64_t>{2, 3, 8}));
}

TEST(Requests, HaveSequencesOfOneLength) {
  const infer::ModelInfo model =
      Model({{"words", base::DataType::kInt64, {-1, 1}, 1}});
  const auto open = Requests::Make(model, {}, std::nullopt);
  EXPECT_TRUE(Says(open.status(), "--shape=words=16,1")) << open.status();
  const auto requests =
      Requests::Make(model, {{"words", {5, 1}}}, std::nullopt);
  ASSERT_TRUE(requests.ok()) << requests.status();
  EXPECT_TRUE(requests->counts());
  EXPECT_FALSE(requests->divides());
  const infer::Request two = requests->Of(0, 2);
  EXPECT_EQ(two.inputs[0].shape, (std::vector<int64_t>{10, 1}));
  EXPECT_EQ(two.inputs[0].lod, (base::Lod{{0, 5, 10}}));
}

TEST(Requests, TakeTheRowsOfOneThatIsGiven) {
  const infer::ModelInfo model =
      Model({{"x", base::DataType::kUint8, {-1, 2}}});
  infer::Request given;
  given.inputs = {
      {"x", base::DataType::kUint8, {2, 2}, absl::Cord("abcd"), {}}};
  const auto requests = Requests::Make(model, {}, given);
  ASSERT_TRUE(requests.ok()) << requests.status();
  EXPECT_EQ(requests->Of(1, 3).inputs[0].data, "cdabcd");
}

TEST(Requests, TakeOneThatIsGivenAsItIsWhereNothingCounts) {
  const infer::ModelInfo model =
      Model({{"words", base::DataType::kUint8, {-1, 1}, 1}});
  infer::Request given;
  given.inputs = {{"words",
                   base::DataType::kUint8,
                   {3, 1},
                   absl::Cord("abc"),
                   {{0, 1, 3}}}};
  const auto requests = Requests::Make(model, {}, given);
  ASSERT_TRUE(requests.ok()) << requests.status();
  EXPECT_FALSE(requests->counts());
  EXPECT_EQ(requests->Of(4, 1).inputs[0].lod, given.inputs[0].lod);
}

}  // namespace
}  // namespace tune
