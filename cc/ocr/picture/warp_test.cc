// Against OpenCV itself: peers_test.py.
#include "cc/ocr/picture/warp.h"

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/ocr/picture/picture.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

// Each pixel has its letter.
Picture Letters(int width, int height) {
  Picture picture(width, height);
  for (int i = 0; i < width * height; ++i) {
    for (int c = 0; c < 3; ++c) {
      picture.bgr[static_cast<size_t>(3 * i + c)] =
          static_cast<uint8_t>('a' + i);
    }
  }
  return picture;
}

std::string Text(const Picture& picture) {
  std::string text;
  for (int y = 0; y < picture.height; ++y) {
    if (y > 0) text += ' ';
    for (int x = 0; x < picture.width; ++x) {
      text += static_cast<char>(picture.Row(y)[3 * x]);
    }
  }
  return text;
}

TEST(UprightTest, AllOrientations) {
  const char* const expected[] = {"abc def",  "cba fed",  "fed cba",
                                  "def abc",  "ad be cf", "da eb fc",
                                  "fc eb da", "cf be ad"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(Text(Upright(Letters(3, 2), orientation)),
              expected[orientation - 1])
        << orientation;
  }
  EXPECT_EQ(Text(Upright(Letters(3, 2), 0)), "abc def");
  EXPECT_EQ(Text(Upright(Letters(3, 2), 9)), "abc def");
}

TEST(Rotate180Test, IsUpsideDown) {
  Picture picture = Letters(3, 2);
  Rotate180(picture);
  EXPECT_EQ(Text(picture), "fed cba");
}

TEST(CropTest, OfWholePixelsIsACopy) {
  const absl::StatusOr<Picture> crop = Crop(
      Letters(5, 4), {Corner{1, 1}, Corner{4, 1}, Corner{4, 3}, Corner{1, 3}});
  ASSERT_TRUE(crop.ok());
  EXPECT_EQ(Text(*crop), "ghi lmn");
}

TEST(CropTest, WhatIsHighIsTurnedToTheLeft) {
  const absl::StatusOr<Picture> crop = Crop(
      Letters(5, 4), {Corner{1, 0}, Corner{3, 0}, Corner{3, 3}, Corner{1, 3}});
  ASSERT_TRUE(crop.ok());
  EXPECT_EQ(Text(*crop), "chm bgl");
}

TEST(CropTest, OutsideIsTheEdge) {
  const absl::StatusOr<Picture> crop =
      Crop(Letters(2, 1),
           {Corner{-2, 0}, Corner{3, 0}, Corner{3, 1}, Corner{-2, 1}});
  ASSERT_TRUE(crop.ok());
  EXPECT_EQ(Text(*crop), "aaabb");
}

TEST(CropTest, WhatIsNoQuadrilateralIsRefused) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Quadrilateral& corners :
       {Quadrilateral{}, Quadrilateral{Corner{nan, 0}},
        Quadrilateral{Corner{0, 0}, Corner{4e4F, 0}, Corner{4e4F, 9},
                      Corner{0, 9}},
        Quadrilateral{Corner{0, 0}, Corner{9, 0}, Corner{9, .9F},
                      Corner{0, .9F}}}) {
    EXPECT_EQ(Crop(Letters(5, 4), corners).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(
      Crop(Picture(), {Corner{0, 0}, Corner{2, 0}, Corner{2, 2}, Corner{0, 2}})
          .ok());
}

TEST(CropTest, CornersOnOneLineAreSurvived) {
  EXPECT_TRUE(Crop(Letters(5, 4),
                   {Corner{0, 0}, Corner{3, 3}, Corner{0, 0}, Corner{3, 3}})
                  .ok());
}

}  // namespace
}  // namespace ocr
