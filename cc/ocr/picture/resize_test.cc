// Against OpenCV itself: peers_test.py.
#include "cc/ocr/picture/resize.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cc/ocr/picture/picture.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

Picture Made(int width, int height, std::vector<uint8_t> blue) {
  Picture picture(width, height);
  for (size_t i = 0; i < blue.size(); ++i) {
    picture.bgr[3 * i] = blue[i];
    picture.bgr[3 * i + 1] = 0;
    picture.bgr[3 * i + 2] = 255;
  }
  return picture;
}

std::vector<uint8_t> Blue(const Picture& picture) {
  std::vector<uint8_t> blue;
  for (size_t i = 0; i < picture.bgr.size(); i += 3) {
    blue.push_back(picture.bgr[i]);
    EXPECT_EQ(picture.bgr[i + 1], 0);
    EXPECT_EQ(picture.bgr[i + 2], 255);
  }
  return blue;
}

TEST(ResizeTest, SameSizeIsTheSame) {
  EXPECT_EQ(Blue(Resize(Made(2, 2, {1, 2, 3, 4}), 2, 2)),
            (std::vector<uint8_t>{1, 2, 3, 4}));
}

TEST(ResizeTest, HalfIsTheMeanOfFour) {
  EXPECT_EQ(Blue(Resize(Made(2, 2, {1, 2, 3, 4}), 1, 1)),
            (std::vector<uint8_t>{3}));
}

TEST(ResizeTest, WiderIsBetween) {
  EXPECT_EQ(Blue(Resize(Made(2, 1, {0, 100}), 4, 1)),
            (std::vector<uint8_t>{0, 25, 75, 100}));
}

TEST(ResizeTest, OnePixelFillsAll) {
  EXPECT_EQ(Blue(Resize(Made(1, 1, {77}), 3, 2)), std::vector<uint8_t>(6, 77));
}

}  // namespace
}  // namespace ocr
