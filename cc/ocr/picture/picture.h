// A picture in memory.
#ifndef CC_OCR_PICTURE_PICTURE_H_
#define CC_OCR_PICTURE_PICTURE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ocr {

// Rows from the top, pixels from the left, each of three bytes: blue, green,
// red, the order in which OpenCV keeps pictures and PP-OCR's models were
// trained.
struct Picture {
  Picture() = default;
  Picture(int width_in, int height_in)
      : width(width_in), height(height_in), bgr(RowBytes() * height_in) {}

  size_t RowBytes() const { return 3 * static_cast<size_t>(width); }
  uint8_t* Row(int y) { return bgr.data() + RowBytes() * y; }
  const uint8_t* Row(int y) const { return bgr.data() + RowBytes() * y; }

  int width = 0;
  int height = 0;
  std::vector<uint8_t> bgr;
};

}  // namespace ocr

#endif  // CC_OCR_PICTURE_PICTURE_H_
