#include "cc/ocr/text/boxes.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace ocr {
namespace {

struct Map {
  Map(int map_width, int map_height, float value = 0)
      : width(map_width),
        height(map_height),
        values(static_cast<size_t>(width) * static_cast<size_t>(height),
               value) {}
  void Fill(int x0, int y0, int x1, int y1, float value) {
    for (int y = y0; y < y1; ++y) {
      for (int x = x0; x < x1; ++x) {
        values[static_cast<size_t>(y * width + x)] = value;
      }
    }
  }
  std::vector<Box> Boxes(int scale = 1, const BoxOptions& options = {}) const {
    return FindBoxes(values.data(), height, width, height * scale,
                     width * scale, options);
  }

  int width;
  int height;
  std::vector<float> values;
};

TEST(FindBoxesTest, GrowsWhatTheDetectorMarks) {
  Map map(320, 160);
  map.Fill(40, 60, 240, 80, 0.9f);
  const std::vector<Box> boxes = map.Boxes(2);
  ASSERT_EQ(boxes.size(), 1u);
  // 201 x 21 pixels with dilation, and 15 = 200 * 20 * 1.6 / 440 more around.
  EXPECT_EQ(boxes[0].corners[0].x, 2 * (40 - 15));
  EXPECT_EQ(boxes[0].corners[0].y, 2 * (60 - 15));
  EXPECT_EQ(boxes[0].corners[2].x, 2 * (240 + 15));
  EXPECT_EQ(boxes[0].corners[2].y, 2 * (80 + 15));
  EXPECT_EQ(boxes[0].corners[1].x, boxes[0].corners[2].x);
  EXPECT_EQ(boxes[0].corners[3].y, boxes[0].corners[2].y);
  // Dilation adds a row and a column of nothing.
  EXPECT_NEAR(boxes[0].score, 0.9 * (200 * 20) / (201 * 21), 1e-6);
}

TEST(FindBoxesTest, StaysOnThePage) {
  Map map(320, 160);
  map.Fill(0, 0, 300, 20, 0.9f);
  const std::vector<Box> boxes = map.Boxes(3);
  ASSERT_EQ(boxes.size(), 1u);
  for (const Point& p : boxes[0].corners) {
    EXPECT_GE(p.x, 0);
    EXPECT_GE(p.y, 0);
    EXPECT_LE(p.x, 3 * 320 - 1);
  }
  EXPECT_FALSE(std::signbit(boxes[0].corners[0].x));
}

TEST(FindBoxesTest, LeavesOutWhatIsSmallOrUncertain) {
  Map map(320, 160);
  map.Fill(10, 10, 12, 12, 0.9f);
  map.Fill(40, 60, 240, 80, 0.4f);
  EXPECT_TRUE(map.Boxes().empty());
  BoxOptions options;
  options.score = 0.3;
  EXPECT_EQ(map.Boxes(1, options).size(), 1u);
  options.threshold = 0.45f;
  EXPECT_TRUE(map.Boxes(1, options).empty());
}

TEST(FindBoxesTest, HasAtMostSoManyOfTheLowerOnes) {
  Map map(320, 320);
  for (int y = 10; y < 300; y += 30) map.Fill(10, y, 200, y + 8, 0.9f);
  BoxOptions options;
  options.most = 3;
  const std::vector<Box> boxes = map.Boxes(1, options);
  ASSERT_EQ(boxes.size(), 3u);
  EXPECT_GT(boxes[0].corners[0].y, boxes[1].corners[0].y);
  EXPECT_GT(boxes[2].corners[0].y, 200);
}

TEST(FindBoxesTest, TakesAnyMap) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(Map(64, 64, nan).Boxes().empty());
  EXPECT_TRUE(Map(1, 1, 1).Boxes().empty());
  EXPECT_TRUE(Map(320, 1, 1).Boxes().empty());
  EXPECT_TRUE(Map(0, 0).Boxes().empty());
  EXPECT_EQ(Map(64, 64, 1).Boxes().size(), 1u);
  EXPECT_EQ(Map(64, 64, std::numeric_limits<float>::infinity()).Boxes().size(),
            1u);
  // NaN within a line: its score is none.
  Map map(320, 160);
  map.Fill(40, 60, 240, 80, 0.9f);
  map.Fill(100, 65, 101, 66, nan);
  EXPECT_TRUE(map.Boxes().empty());
}

TEST(FindBoxesTest, TakesNoise) {
  Map map(1024, 1024);
  std::mt19937 random(1);
  for (float& value : map.values) {
    value = static_cast<float>(random() % 1000) / 1000;
  }
  BoxOptions options;
  options.dilate = false;
  for (const float threshold : {0.3f, 0.5f, 0.8f, 0.95f}) {
    options.threshold = threshold;
    EXPECT_LE(map.Boxes(1, options).size(), 1000u);
  }
}

TEST(FindBoxesTest, TakesRingsInRings) {
  Map map(1024, 1024);
  for (int i = 0; i < 512; i += 2) {
    map.Fill(i, i, 1024 - i, 1024 - i, 1);
    map.Fill(i + 1, i + 1, 1023 - i, 1023 - i, 0);
  }
  BoxOptions options;
  options.dilate = false;
  options.score = 0.4;
  EXPECT_GT(map.Boxes(1, options).size(), 400u);
}

Box At(float x, float y) {
  Box box;
  box.corners[0] = {x, y};
  return box;
}

TEST(SortBoxesTest, ReadsLikePeople) {
  std::vector<Box> boxes = {At(300, 104), At(10, 200), At(150, 95), At(10, 100),
                            At(5, 109)};
  SortBoxes(&boxes);
  std::vector<float> x;
  for (const Box& box : boxes) x.push_back(box.corners[0].x);
  // The fourth is left of the others, and 14 pixels below the second.
  EXPECT_EQ(x, (std::vector<float>{10, 150, 5, 300, 10}));
  boxes.clear();
  SortBoxes(&boxes);
  EXPECT_TRUE(boxes.empty());
}

TEST(UnclipTest, GoesEitherWay) {
  const std::array<Point, 4> clockwise = {
      {{0, 0}, {100, 0}, {100, 10}, {0, 10}}};
  const std::array<Point, 4> other = {{{0, 0}, {0, 10}, {100, 10}, {100, 0}}};
  for (const auto& corners : {clockwise, other}) {
    int left = 0, right = 0;
    for (const Pixel& p : Unclip(corners, 1.1)) {
      left = std::min(left, p.x);
      right = std::max(right, p.x);
    }
    EXPECT_EQ(left, -5);
    EXPECT_EQ(right, 105);
  }
}

}  // namespace
}  // namespace ocr
