// What a recogniser, and a classifier of directions, are given of a line.
#ifndef CC_OCR_TEXT_LINES_H_
#define CC_OCR_TEXT_LINES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cc/ocr/text/detector_input.h"

namespace ocr {

// PP-OCR's recognisers, from its third version on, and its classifier read
// lines of this height.
constexpr int kLineHeight = 48;

// The classifier's width: of longer lines all is squeezed into it.
constexpr int kClassifierWidth = 192;

// How wide a line's picture is at that height, kClassifierWidth at most where
// it is the classifier's. Sides are 1 at least.
int LineWidth(const Size& crop, int most, int height = kLineHeight);

// The widest input of a recogniser: 67 times as broad as high. RapidOCR has no
// bound, and makes 96,000 pixels of a crop of 2000 x 1.
constexpr int kMostLineWidth = 3200;

// Lines are read together in one width, with zeros on the right, and those
// zeros change what is read: of 240 lines of seven fonts, PP-OCRv4 read 13
// otherwise when each was as wide as itself, and the reference itself 6 of 150
// when they came in another company. So there are two rules. With neither an
// answer depends on other pages that are read at the time.

// RapidOCR's rule, for the lines of one page: sorted by their shape, six by six
// as wide as the widest of the six, and 320 at least (of a height of 48). Text
// and score are its
// own, and to the bit whether the lines of a batch are then read together, each
// alone or with others of that width.
constexpr size_t kLinesTogether = 6;
struct LineBatch {
  std::vector<size_t> lines;  // indices
  int width = 0;
};
std::vector<LineBatch> PageBatches(const std::vector<Size>& crops,
                                   size_t batch = kLinesTogether,
                                   int most = kMostLineWidth,
                                   int height = kLineHeight);

// The width of a line by itself. Of those 240 lines as many were right (189;
// 187 by RapidOCR's rule), for 0.72 of the pixels.
struct WidthOptions {
  int least = 320;
  int step = 64;  // widths are multiples of it: 26 widths there, 42 by 32
  int most = kMostLineWidth;
};
int PaddedWidth(const Size& crop, const WidthOptions& options);

// Writes float[3][height][padded] of uint8[height][width][3]: the bits that
// NumPy gives for (x.astype("float32") / 255 - 0.5) / 0.5, and zeros behind.
void FillLine(const uint8_t* pixels, int width, int padded, float* input,
              int height = kLineHeight);

// For a recogniser of grey lines, as //python/chinese_ocr trains them. Writes
// float[height][padded] of uint8[height][width][3], which are blue, green, red:
// Pillow's luminance / 127.5 - 1, and behind it the last column again.
void FillGreyLine(const uint8_t* pixels, int width, int padded, int height,
                  float* input);

}  // namespace ocr

#endif  // CC_OCR_TEXT_LINES_H_
