// Lines of text out of a detector's map: the post-processing of Differentiable
// Binarization (Liao et al., 2020), as RapidOCR has it.
#ifndef CC_OCR_TEXT_BOXES_H_
#define CC_OCR_TEXT_BOXES_H_

#include <array>
#include <cstddef>
#include <vector>

#include "cc/ocr/text/contours.h"

namespace ocr {

struct BoxOptions {
  float threshold = 0.3f;  // above it a pixel is of a line
  // Thickens areas by a pixel to the right and downwards.
  bool dilate = true;
  // The mean of the map in a line's box is this at least.
  double score = 0.5;
  // By how much boxes grow: the map has the middle of lines.
  double unclip_ratio = 1.6;
  // Areas and holes in them that are looked at, from the bottom upwards. It
  // bounds the work: a map of noise has one for every ten pixels.
  size_t most = 1000;
};

struct Box {
  // Whole pixels of the page, from the upper left clockwise.
  std::array<Point, 4> corners;
  double score = 0;
};

// The boxes of a map of height x width, each a line, on a page of
// page_height x page_width whose picture it is of. NaN is no text.
// The order is that of the reference, which SortBoxes needs.
//
// Memory: two bytes a pixel of the map at most, and the longest border. Time:
// a few passes over the map, and for each of `most` candidates one over its
// box, which may be all of the map.
std::vector<Box> FindBoxes(const float* map, int height, int width,
                           int page_height, int page_width,
                           const BoxOptions& options);

// Sorts from the top to the bottom; boxes whose upper edges are less than 10
// pixels apart, from the left to the right.
void SortBoxes(std::vector<Box>* boxes);

// Clipper 6's offset of a convex polygon with round joins, on whole numbers:
// pixels that the offset polygon is the hull of. The polygon's corners go in
// either direction. Open to tests.
std::vector<Pixel> Unclip(const std::array<Point, 4>& corners, double ratio);

}  // namespace ocr

#endif  // CC_OCR_TEXT_BOXES_H_
