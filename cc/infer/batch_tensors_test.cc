#include "cc/infer/batch_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace infer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kUint8 = base::DataType::kUint8;

// One byte a row.
Tensor OneByteRows(std::string name, const std::string& bytes,
                   base::Lod lod = {}) {
  return {std::move(name),
          kUint8,
          {static_cast<int64_t>(bytes.size()), 1},
          absl::Cord(bytes),
          std::move(lod)};
}

Batch BatchOf(std::vector<Request> requests, int64_t padding = 0) {
  Batch batch;
  for (Request& request : requests) {
    batch.rows += RowsOf(request);
    batch.calls.push_back(
        std::make_shared<Call>(std::move(request), [](Call*) {}));
  }
  batch.padded_rows = batch.rows + padding;
  return batch;
}

Request RequestOf(const std::string& bytes, base::Lod lod = {},
                  std::vector<std::string> outputs = {}) {
  Request request;
  request.inputs.push_back(OneByteRows("x", bytes, std::move(lod)));
  request.outputs = std::move(outputs);
  return request;
}

std::string Bytes(const BatchInput& input) {
  std::string bytes;
  for (const absl::Cord* part : input.parts) bytes += std::string(*part);
  return bytes;
}

TEST(GatherTest, InputsAreInTheModelsOrderWhateverThatOfTheRequests) {
  Request first, second;
  first.inputs = {OneByteRows("x", "ab"), OneByteRows("z", "AB")};
  second.inputs = {OneByteRows("z", "C"), OneByteRows("x", "c")};
  const Batch batch = BatchOf({first, second}, /*padding=*/1);
  const auto inputs =
      Gather({{"z", kUint8, {-1, 1}}, {"x", kUint8, {-1, 1}}}, batch);
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(Bytes(inputs[0]), "ABC");
  EXPECT_EQ(Bytes(inputs[1]), "abc");
  EXPECT_THAT(inputs[0].shape, ElementsAre(4, 1));
  EXPECT_EQ(inputs[0].padding_rows, 1);
  EXPECT_EQ(inputs[0].row_bytes, 1u);
}

TEST(GatherTest, OffsetsFollowOneAnother) {
  const Batch batch =
      BatchOf({RequestOf("abc", {{0, 1, 3}}), RequestOf("de", {{0, 2}})});
  const auto inputs = Gather({{"x", kUint8, {-1, 1}, 1}}, batch);
  EXPECT_THAT(inputs[0].lod, ElementsAre(ElementsAre(0, 1, 3, 5)));
}

TEST(DivideTest, EachHasItsRowsAndNobodyThePadding) {
  const Batch batch = BatchOf({RequestOf("ab"), RequestOf("c")}, 1);
  const auto parts = Divide(batch, {OneByteRows("y", "ABCC")});
  EXPECT_EQ(parts[0]->at(0).data, "AB");
  EXPECT_THAT(parts[0]->at(0).shape, ElementsAre(2, 1));
  EXPECT_EQ(parts[1]->at(0).data, "C");
}

TEST(DivideTest, OneThatWasAloneHasAllAsItIs) {
  const Batch batch = BatchOf({RequestOf("ab")});
  const auto parts = Divide(batch, {OneByteRows("y", "of any size")});
  EXPECT_EQ(parts[0]->at(0).data, "of any size");
}

TEST(DivideTest, EachHasWhatItAskedForInItsOrder) {
  const Batch batch =
      BatchOf({RequestOf("a", {}, {"z", "y"}), RequestOf("b", {}, {"y"})});
  const auto parts =
      Divide(batch, {OneByteRows("y", "AB"), OneByteRows("z", "12")});
  ASSERT_EQ(parts[0]->size(), 2u);
  EXPECT_EQ(parts[0]->at(0).data, "1");
  EXPECT_EQ(parts[0]->at(1).data, "A");
  ASSERT_EQ(parts[1]->size(), 1u);
  EXPECT_EQ(parts[1]->at(0).data, "B");
}

TEST(DivideTest, SequencesGoByTheirOffsetsOrByTheirNumber) {
  const Batch batch =
      BatchOf({RequestOf("abc", {{0, 1, 3}}), RequestOf("de", {{0, 2}})});
  const auto parts =
      Divide(batch, {OneByteRows("each row", "ABCDE", {{0, 1, 3, 5}}),
                     OneByteRows("each sequence", "123")});
  EXPECT_EQ(parts[0]->at(0).data, "ABC");
  EXPECT_THAT(parts[0]->at(0).lod, ElementsAre(ElementsAre(0, 1, 3)));
  EXPECT_EQ(parts[0]->at(1).data, "12");
  EXPECT_EQ(parts[1]->at(0).data, "DE");
  EXPECT_THAT(parts[1]->at(0).lod, ElementsAre(ElementsAre(0, 2)));
  EXPECT_EQ(parts[1]->at(1).data, "3");
}

TEST(DivideTest, AnOutputThatTellsNoPartsIsAnErrorOfEach) {
  const Batch batch = BatchOf({RequestOf("ab"), RequestOf("c")});
  for (const auto& part : Divide(batch, {OneByteRows("y", "ABCDEFG")})) {
    EXPECT_TRUE(absl::IsInternal(part.status()));
    EXPECT_THAT(std::string(part.status().message()),
                HasSubstr("--batching=off"));
  }
}

}  // namespace
}  // namespace infer
