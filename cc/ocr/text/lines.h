// What a recogniser, and a classifier of directions, are given of a line.
#ifndef CC_OCR_TEXT_LINES_H_
#define CC_OCR_TEXT_LINES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cc/ocr/text/detector_input.h"

namespace ocr {

// PP-OCR's recognisers and its classifier read lines of this height.
constexpr int kLineHeight = 48;

// The classifier's width: of longer lines all is squeezed into it.
constexpr int kClassifierWidth = 192;

// How wide a line's picture is at kLineHeight, kClassifierWidth at most where
// it is the classifier's. Sides are 1 at least.
int LineWidth(const Size& crop, int most);

// How a recogniser's lines are made equally wide, with zeros on the right.
struct WidthOptions {
  // RapidOCR's least.
  int least = 320;
  // Widths are multiples of it: lines of the same width are read together. How
  // wide a line is does not depend on other lines, so neither does its text.
  int step = 32;
  // Longer lines are squeezed; a recogniser's memory goes with its width.
  int most = 3200;
};

// The width of the input for a line.
int PaddedWidth(const Size& crop, const WidthOptions& options);

// RapidOCR's rule, which makes lines as wide as the widest of their batch; so
// what one says depends on its neighbours. Tests compare with it.
struct LineBatch {
  std::vector<size_t> lines;  // indices
  int width = 0;
};
std::vector<LineBatch> ReferenceBatches(const std::vector<Size>& crops,
                                        size_t batch = 6);

// Writes float[3][48][padded] of uint8[48][width][3]: the bits that NumPy gives
// for (x.astype("float32") / 255 - 0.5) / 0.5, and zeros behind.
void FillLine(const uint8_t* pixels, int width, int padded, float* input);

}  // namespace ocr

#endif  // CC_OCR_TEXT_LINES_H_
