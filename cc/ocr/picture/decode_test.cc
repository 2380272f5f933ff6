// Files of all kinds, against Pillow and OpenCV: peers_test.py.
#include "cc/ocr/picture/decode.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/picture.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

std::string Number(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) {
    text += static_cast<char>(value >> (8 * i));
  }
  return text;
}

// The smallest of formats to write: all pixels 3, 2, 1.
std::string Bmp(uint32_t width, uint32_t height) {
  const uint32_t row = (width * 3 + 3) / 4 * 4;
  std::string file = "BM" + Number(54 + row * height, 4) + Number(0, 4) +
                     Number(54, 4) + Number(40, 4) + Number(width, 4) +
                     Number(height, 4) + Number(1, 2) + Number(24, 2) +
                     Number(0, 24);
  for (uint32_t i = 0; i < row * height; ++i) {
    file += static_cast<char>(3 - i % row % 3);
  }
  return file;
}

absl::Status Refusal(absl::string_view file, const Limits& limits) {
  return Decode(file, limits).status();
}

TEST(DecodeTest, ReadsPixels) {
  const absl::StatusOr<Picture> picture = Decode(Bmp(2, 1), {});
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(picture->width, 2);
  EXPECT_EQ(picture->height, 1);
  EXPECT_EQ(picture->bgr, (std::vector<uint8_t>{3, 2, 1, 3, 2, 1}));
}

TEST(DecodeTest, EveryLimitRefuses) {
  const std::string file = Bmp(20, 5);
  const auto with = [](int64_t bytes, int64_t pixels, int64_t side,
                       int64_t ratio) {
    Limits limits;
    limits.bytes = bytes;
    limits.pixels = pixels;
    limits.side = side;
    limits.ratio = ratio;
    return limits;
  };
  EXPECT_TRUE(Decode(file, with(354, 100, 20, 4)).ok());
  EXPECT_EQ(Refusal(file, with(353, 100, 20, 4)),
            absl::OutOfRangeError(
                "the file has 354 bytes, more than the 353 allowed"));
  EXPECT_EQ(
      Refusal(file, with(354, 99, 20, 4)),
      absl::OutOfRangeError("the picture has 20 x 5 pixels, more than the "
                            "99 allowed; make it smaller"));
  EXPECT_EQ(Refusal(file, with(354, 100, 19, 4)),
            absl::OutOfRangeError("the picture has 20 x 5 pixels; no side may "
                                  "have more than 19"));
  EXPECT_EQ(Refusal(file, with(354, 100, 20, 3)),
            absl::OutOfRangeError("the picture has 20 x 5 pixels; the longer "
                                  "side may be at most 3 times the shorter"));
}

TEST(DecodeTest, TheHeaderAloneSaysWhatItCosts) {
  const std::string file = Bmp(200, 100);
  const absl::StatusOr<Header> header =
      ReadHeader(absl::string_view(file).substr(0, 54), {});
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->width, 200);
  EXPECT_EQ(header->height, 100);
  EXPECT_GE(DecodeMemory(*header), 60'000);
  EXPECT_LE(DecodeMemory(*header), 70'000);
}

TEST(DecodeTest, WhatEndsEarlyIsTold) {
  const std::string file = Bmp(20, 5);
  for (size_t size = 2; size < file.size(); ++size) {
    EXPECT_EQ(Refusal(absl::string_view(file).substr(0, size), {}),
              absl::InvalidArgumentError("the BMP ends before its end"))
        << size;
  }
}

TEST(DecodeTest, WhatIsNoPictureIsTold) {
  EXPECT_EQ(Refusal("", {}),
            absl::InvalidArgumentError("it is empty, and no picture"));
  EXPECT_EQ(Refusal("hello", {}),
            absl::InvalidArgumentError("it is no picture that is known: JPEG, "
                                       "PNG, BMP and WebP are read"));
}

}  // namespace
}  // namespace ocr
