#include "cc/ocr/text/ctc.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "cc/ocr/text/labels.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

Labels LabelsOf(const std::string& text) {
  return Labels::Parse(text, "characters.txt").value();
}

Line Decode(const float* values, int steps, const Labels& labels) {
  return DecodeCtc(values, Scores::kProbabilities, steps, labels.classes(),
                   labels);
}

// Steps with these classes, of which each has 0.5 + 0.05 * its place.
Line Decode(const std::vector<size_t>& steps, const Labels& labels) {
  std::vector<float> values(steps.size() * labels.classes(), 0.01f);
  for (size_t i = 0; i < steps.size(); ++i) {
    values[i * labels.classes() + steps[i]] =
        0.5f + 0.05f * static_cast<float>(i);
  }
  return Decode(values.data(), static_cast<int>(steps.size()), labels);
}

TEST(CtcTest, MergesWhatRepeats) {
  const Labels labels = LabelsOf("中\n文\na\n");
  const Line line = Decode({0, 1, 1, 0, 1, 2, 4, 3, 3, 0}, labels);
  EXPECT_EQ(line.text, "中中文 a");
  ASSERT_EQ(line.characters.size(), 5u);
  EXPECT_EQ(line.characters[1].step, 4);
  EXPECT_EQ(line.characters[1].label, 1u);
  EXPECT_FLOAT_EQ(line.characters[1].score, 0.7f);
  EXPECT_NEAR(line.score, (0.55 + 0.7 + 0.75 + 0.8 + 0.85) / 5, 1e-7);
}

TEST(CtcTest, TellsLogitsFromProbabilities) {
  const std::vector<float> logits = {0, 3, 1};
  EXPECT_EQ(KindOf(logits.data(), 3), Scores::kLogits);
  const std::vector<float> negative = {-0.5f, 1, 0.5f};
  EXPECT_EQ(KindOf(negative.data(), 3), Scores::kLogits);
  const std::vector<float> probabilities = {0.05f, 0.9f, 0.0501f};
  EXPECT_EQ(KindOf(probabilities.data(), 3), Scores::kProbabilities);
  // Without the space.
  const Labels labels = LabelsOf("x\ny\n");
  const Line line = DecodeCtc(logits.data(), Scores::kLogits, 1, 3, labels);
  EXPECT_EQ(line.text, "x");
  EXPECT_NEAR(line.score, 1 / (1 + std::exp(-2.) + std::exp(-3.)), 1e-6);
}

TEST(CtcTest, BeginsAtOnce) {
  EXPECT_EQ(Decode({1, 2}, LabelsOf("x\ny")).text, "xy");
}

TEST(CtcTest, KnowsLinesOfNothing) {
  const Labels labels = LabelsOf("x\n");
  EXPECT_EQ(Decode({0, 0}, labels).text, "");
  EXPECT_EQ(Decode({0, 0}, labels).score, 0);
  EXPECT_EQ(Decode(nullptr, 0, labels).text, "");
}

TEST(CtcTest, TakesTheFirstOfEqualsAndNoNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::string text;
  for (int i = 0; i < 30; ++i) text += std::string(1, 'A' + i % 26) + "\n";
  const Labels labels = LabelsOf(text);
  std::vector<float> values(labels.classes() * 3, nan);
  values[7] = values[20] = values[31] = 0.4f;
  for (size_t i = 0; i < labels.classes(); ++i) {
    values[labels.classes() + i] = 0.1f;
  }
  const Line line = Decode(values.data(), 3, labels);
  EXPECT_EQ(line.text, "G");
  EXPECT_FLOAT_EQ(static_cast<float>(line.score), 0.4f);
  // The last class is found too.
  values.assign(labels.classes(), 0.1f);
  values.back() = 0.3f;
  EXPECT_EQ(Decode(values.data(), 1, labels).text, " ");
}

TEST(ExtentsTest, AreAroundStepsOnTheLine) {
  const Labels labels = LabelsOf("中\n文\na\n");
  // 20 steps of 8 pixels, of which a line of 120 pixels took three quarters.
  const Line line = Decode(
      {0, 1, 0, 0, 2, 0, 0, 3, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, labels);
  const std::vector<Extent> extents = Extents(line, labels, 20, 0.75, 120);
  ASSERT_EQ(extents.size(), 4u);
  // 24 pixels between 中 and 文, 16 between the letters.
  EXPECT_EQ(extents[0].left, 0);
  EXPECT_EQ(extents[0].right, 24);
  EXPECT_EQ(extents[1].left, 24);
  EXPECT_EQ(extents[1].right, 48);
  EXPECT_EQ(extents[2].left, 52);
  EXPECT_EQ(extents[2].right, 68);
  EXPECT_EQ(extents[3].left, 68);
  EXPECT_EQ(extents[3].right, 84);
}

TEST(ExtentsTest, DoNotOverlapAndStayOnTheLine) {
  const Labels labels = LabelsOf("中\n文\na\n");
  const Line line = Decode({1, 3, 1, 3, 2, 1}, labels);
  const std::vector<Extent> extents = Extents(line, labels, 6, 1, 30);
  ASSERT_EQ(extents.size(), 6u);
  for (size_t i = 0; i < extents.size(); ++i) {
    EXPECT_LE(extents[i].left, extents[i].right);
    if (i > 0) EXPECT_LE(extents[i - 1].right, extents[i].left);
  }
  EXPECT_GE(extents.front().left, 0);
  EXPECT_LE(extents.back().right, 30);
  EXPECT_TRUE(Extents(Line(), labels, 6, 1, 30).empty());
}

}  // namespace
}  // namespace ocr
