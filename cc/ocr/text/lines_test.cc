#include "cc/ocr/text/lines.h"

#include <cstddef>
#include <vector>

#include "gtest/gtest.h"

namespace ocr {
namespace {

TEST(LinesTest, WidthDependsOnTheLineAlone) {
  const WidthOptions options;
  EXPECT_EQ(PaddedWidth({10, 48}, options), 320);
  EXPECT_EQ(PaddedWidth({320, 48}, options), 320);
  EXPECT_EQ(PaddedWidth({321, 48}, options), 384);
  EXPECT_EQ(PaddedWidth({1000, 100}, options), 512);
  EXPECT_EQ(PaddedWidth({1067, 100}, options), 576);
  EXPECT_EQ(PaddedWidth({20'000, 1}, options), 3200);
  EXPECT_EQ(LineWidth({20'000, 1}, 3200), 3200);
  EXPECT_EQ(LineWidth({1, 20'000}, 3200), 1);
  EXPECT_EQ(LineWidth({101, 48}, kClassifierWidth), 101);
  EXPECT_EQ(LineWidth({1000, 48}, kClassifierWidth), 192);
}

TEST(LinesTest, BatchesThoseOfAPageByShape) {
  std::vector<Size> crops;
  for (const int width : {500, 100, 400, 90, 80, 70, 60}) {
    crops.push_back({width, 40});
  }
  const std::vector<LineBatch> batches = PageBatches(crops);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].lines, (std::vector<size_t>{6, 5, 4, 3, 1, 2}));
  EXPECT_EQ(batches[0].width, 480);
  EXPECT_EQ(batches[1].lines, (std::vector<size_t>{0}));
  EXPECT_EQ(batches[1].width, 600);
  EXPECT_EQ(PageBatches({{2000, 1}})[0].width, kMostLineWidth);
  EXPECT_TRUE(PageBatches({}).empty());
}

TEST(LinesTest, FillsPlanesAndZerosBehind) {
  std::vector<uint8_t> pixels(kLineHeight * 2 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<uint8_t>(i % 3 == 0 ? 0 : i % 3 == 1 ? 255 : 51);
  }
  std::vector<float> input(3 * kLineHeight * 5, 7);
  FillLine(pixels.data(), 2, 5, input.data());
  for (size_t i = 0; i < input.size(); ++i) {
    const size_t channel = i / (kLineHeight * 5);
    const float expected = i % 5 >= 2     ? 0.f
                           : channel == 0 ? -1.f
                           : channel == 1 ? 1.f
                                          : -0.6f;
    EXPECT_FLOAT_EQ(input[i], expected) << i;
  }
}

TEST(LinesTest, LowerLinesAreNarrower) {
  EXPECT_EQ(LineWidth({96, 48}, 3200, 32), 64);
  EXPECT_EQ(PageBatches({{96, 48}}, 6, 3200, 32)[0].width, 213);
}

TEST(LinesTest, FillsGreyAndGoesOnWithTheLastColumn) {
  const std::vector<uint8_t> pixels = {
      255, 255, 255, 0, 0,   255,  // white, red
      0,   0,   0,   0, 255, 0};   // black, green
  std::vector<float> input(2 * 4, 7);
  FillGreyLine(pixels.data(), 2, 4, 2, input.data());
  const std::vector<float> expected = {
      1,  76 / 127.5f - 1,  76 / 127.5f - 1,  76 / 127.5f - 1,
      -1, 150 / 127.5f - 1, 150 / 127.5f - 1, 150 / 127.5f - 1};
  for (size_t i = 0; i < input.size(); ++i) {
    EXPECT_FLOAT_EQ(input[i], expected[i]) << i;
  }
}

}  // namespace
}  // namespace ocr
