// Borders of the areas of a mask, and the smallest rectangle around one.
//
// Both give what OpenCV's findContours(RETR_LIST, CHAIN_APPROX_SIMPLE) and
// minAreaRect give, to the order of points, since the rest of a detector's
// post-processing was tuned on them.
#ifndef CC_OCR_TEXT_CONTOURS_H_
#define CC_OCR_TEXT_CONTOURS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ocr {

struct Point {
  float x = 0;
  float y = 0;
};

// A pixel, or a point between them where it is a corner of a polygon.
struct Pixel {
  int x = 0;
  int y = 0;
};

// Pixels that are of an area (1) or not (0), with a frame of zeros around them.
// A width and a height are not negative.
class Mask {
 public:
  Mask(int width, int height);

  int width() const { return width_; }
  int height() const { return height_; }
  // The pixels of a row; the one before and the one behind are the frame's.
  int8_t* row(int y) { return &pixels_[Offset(0, y)]; }

  // The mask moved right, down and both, all over each other: what
  // cv2.dilate does by a kernel of 2 x 2 ones.
  void Dilate();

  // Where a border begins.
  struct Start {
    Pixel pixel;
    bool hole = false;  // of a hole in an area
  };

  // The last `most` borders, from the top to the bottom; the last ones are
  // the first that OpenCV lists. Takes time for each pixel of a border, and
  // memory for what it returns. Marks the mask, so it is for one call.
  std::vector<Start> Borders(size_t most);

  // The corners of a border, without the pixels between them.
  void Trace(const Start& start, std::vector<Pixel>* corners) const;

 private:
  size_t Offset(int x, int y) const {
    return static_cast<size_t>(y + 1) * stride_ + static_cast<size_t>(x + 1);
  }
  // Goes around a border, and calls visit(offset, pixel, direction, turned,
  // east) at each pixel.
  template <typename Visit>
  void Follow(const Start& start, Visit visit) const;

  int width_;
  int height_;
  size_t stride_;
  std::array<ptrdiff_t, 8>
      steps_;  // to the neighbours, from the east leftwards
  std::vector<int8_t> pixels_;
};

struct Rectangle {
  std::array<Point, 4> corners;  // in the order of cv2.boxPoints
  float short_side = 0;
};

// The rectangle of the least area around some points.
Rectangle MinAreaRectangle(const std::vector<Pixel>& points);

}  // namespace ocr

#endif  // CC_OCR_TEXT_CONTOURS_H_
