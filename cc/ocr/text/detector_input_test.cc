#include "cc/ocr/text/detector_input.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace ocr {
namespace {

DetectorPlan Plan(int width, int height, const DetectorOptions& options = {}) {
  return PlanDetection({width, height}, options);
}

TEST(DetectorInputTest, IsOfMultiplesOf32) {
  const DetectorPlan plan = Plan(960, 640);
  EXPECT_EQ(plan.page.width, 960);
  EXPECT_EQ(plan.page.height, 640);
  EXPECT_EQ(plan.bar, 0);
  EXPECT_EQ(plan.input.width, 1088);  // 1104 rounds to the even multiple
  EXPECT_EQ(plan.input.height, 736);
}

TEST(DetectorInputTest, MakesLargePagesSmaller) {
  // A4 at 300 dpi.
  const DetectorPlan plan = Plan(2480, 3508);
  EXPECT_EQ(plan.page.width, 1408);
  EXPECT_EQ(plan.page.height, 1984);
  EXPECT_EQ(plan.input.width, 1408);
  EXPECT_EQ(plan.input.height, 1984);
  DetectorOptions options;
  options.limit = Limit::kMax;
  options.side = 960;
  EXPECT_EQ(Plan(2480, 3508, options).input.height, 960);
  EXPECT_EQ(Plan(2480, 3508, options).input.width, 672);
}

TEST(DetectorInputTest, IsBoundedWhateverThePage) {
  const DetectorOptions options;
  for (const int width : {1, 2, 29, 30, 31, 300, 1999, 2001, 20'000}) {
    for (const int height : {1, 2, 29, 30, 31, 300, 1999, 2001, 20'000}) {
      const DetectorPlan plan = Plan(width, height);
      for (const int side : {plan.input.width, plan.input.height}) {
        EXPECT_EQ(side % 32, 0);
        EXPECT_GE(side, 32);
        EXPECT_LE(side, options.most) << width << " x " << height;
      }
      EXPECT_GE(plan.page.width, 1);
      EXPECT_GE(plan.page.height, 1);
      EXPECT_LE(plan.page.width, 2000) << width << " x " << height;
      EXPECT_LE(plan.page.height, 2000) << width << " x " << height;
    }
  }
}

TEST(DetectorInputTest, GivesLinesAloneSomeRoom) {
  const DetectorPlan plan = Plan(800, 40);
  EXPECT_EQ(plan.bar, 80);
  EXPECT_EQ(plan.barred().height, 200);
  const PagePoint point = OnOriginal({10, 85}, plan, {800, 40});
  EXPECT_EQ(point.x, 10);
  EXPECT_EQ(point.y, 5);
  EXPECT_EQ(OnOriginal({10, 20}, plan, {800, 40}).y, 0);
  EXPECT_EQ(OnOriginal({10, 190}, plan, {800, 40}).y, 40);
}

TEST(DetectorInputTest, FillsPlanes) {
  const std::vector<uint8_t> pixels = {0, 255, 51, 255, 0, 0};
  std::vector<float> input(6);
  FillDetector(pixels.data(), {2, 1}, {}, input.data());
  EXPECT_FLOAT_EQ(input[0], -1);
  EXPECT_FLOAT_EQ(input[1], 1);
  EXPECT_FLOAT_EQ(input[2], 1);
  EXPECT_FLOAT_EQ(input[3], -1);
  EXPECT_FLOAT_EQ(input[4], -0.6f);
  EXPECT_FLOAT_EQ(input[5], -1);
  FillDetector(pixels.data(), {2, 1}, {{0, 0.5, 1}, {1, 0.5, 2}}, input.data());
  EXPECT_FLOAT_EQ(input[0], 0);
  EXPECT_FLOAT_EQ(input[1], 1);
  EXPECT_FLOAT_EQ(input[2], 1);
  EXPECT_FLOAT_EQ(input[3], -1);
  EXPECT_FLOAT_EQ(input[4], -0.4f);
  EXPECT_FLOAT_EQ(input[5], -0.5f);
}

}  // namespace
}  // namespace ocr
