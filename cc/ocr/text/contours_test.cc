#include "cc/ocr/text/contours.h"

#include <cstddef>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ocr {
namespace {

Mask MaskOf(const std::vector<std::string>& rows) {
  Mask mask(static_cast<int>(rows[0].size()), static_cast<int>(rows.size()));
  for (size_t y = 0; y < rows.size(); ++y) {
    for (size_t x = 0; x < rows[y].size(); ++x) {
      mask.row(static_cast<int>(y))[x] = rows[y][x] == '#' ? 1 : 0;
    }
  }
  return mask;
}

// The corners of all borders, the last one first.
std::vector<std::vector<std::vector<int>>> Contours(Mask mask,
                                                    size_t most = 1000) {
  std::vector<std::vector<std::vector<int>>> contours;
  const std::vector<Mask::Start> starts = mask.Borders(most);
  for (auto start = starts.rbegin(); start != starts.rend(); ++start) {
    std::vector<Pixel> corners;
    mask.Trace(*start, &corners);
    contours.emplace_back();
    for (const Pixel& p : corners) contours.back().push_back({p.x, p.y});
  }
  return contours;
}

using Corners = std::vector<std::vector<std::vector<int>>>;

TEST(ContoursTest, HasBordersOfAreasAndOfTheirHoles) {
  EXPECT_EQ(Contours(MaskOf({"####.",  //
                             "#..#.",  //
                             "####."})),
            (Corners{{{0, 1}, {1, 0}, {2, 0}, {3, 1}, {2, 2}, {1, 2}},
                     {{0, 0}, {0, 2}, {3, 2}, {3, 0}}}));
}

TEST(ContoursTest, KnowsPixelsAlone) {
  EXPECT_EQ(Contours(MaskOf({"#.#", "...", "#.#"})),
            (Corners{{{2, 2}}, {{0, 2}}, {{2, 0}}, {{0, 0}}}));
  EXPECT_TRUE(Contours(MaskOf({"..."})).empty());
}

TEST(ContoursTest, KeepsTheLastOnes) {
  EXPECT_EQ(Contours(MaskOf({"#.#.#.#.#"}), 2), (Corners{{{8, 0}}, {{6, 0}}}));
  EXPECT_TRUE(Contours(MaskOf({"#.#.#.#.#"}), 0).empty());
}

TEST(ContoursTest, DilatesToTheRightAndDown) {
  Mask mask = MaskOf({"#....", ".....", "...#.", "....."});
  mask.Dilate();
  EXPECT_EQ(Contours(mask), (Corners{{{3, 2}, {3, 3}, {4, 3}, {4, 2}},
                                     {{0, 0}, {0, 1}, {1, 1}, {1, 0}}}));
}

TEST(MinAreaRectangleTest, TurnsWithThePoints) {
  // A square on its corner.
  const Rectangle r = MinAreaRectangle({{10, 0}, {20, 10}, {10, 20}, {0, 10}});
  EXPECT_NEAR(r.short_side, 14.142136, 1e-5);
  for (const Point& p : r.corners) {
    EXPECT_NEAR((p.x - 10) * (p.x - 10) + (p.y - 10) * (p.y - 10), 100, 1e-3);
  }
}

TEST(MinAreaRectangleTest, TakesWhatHasNoArea) {
  EXPECT_EQ(MinAreaRectangle({}).short_side, 0);
  EXPECT_EQ(MinAreaRectangle({{3, 4}}).corners[2].x, 3);
  EXPECT_EQ(MinAreaRectangle({{3, 4}, {3, 4}}).short_side, 0);
  EXPECT_EQ(MinAreaRectangle({{0, 0}, {1, 1}, {5, 5}, {2, 2}}).short_side, 0);
}

}  // namespace
}  // namespace ocr
