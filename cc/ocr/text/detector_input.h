// What a detector of lines is given of a page.
#ifndef CC_OCR_TEXT_DETECTOR_INPUT_H_
#define CC_OCR_TEXT_DETECTOR_INPUT_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace ocr {

struct Size {
  int width = 0;
  int height = 0;
};

enum class Limit {
  kMin,  // the shorter side is `side` at least
  kMax,  // the longer side is `side` at most
};

// The defaults are those of RapidOCR 1.4, but for the cap.
struct DetectorOptions {
  Limit limit = Limit::kMin;
  int side = 736;
  // Whatever the limit says, of the longer side, a multiple of 32: the
  // detector's memory goes with its pixels. RapidOCR makes 736 x 16736 of a
  // column of 66 x 1500, and 736 x 5888 of the broadest page without bars.
  int most = 5888;
  // A page's longer side is made that at most, and its shorter one that at
  // least, before anything is read from it.
  int page_most = 2000;
  int page_least = 30;
  // Pages that are low, or broader than this many times their height, get
  // black bars above and below.
  int low = 30;
  double broad = 8;
};

// How a page becomes the detector's input.
struct DetectorPlan {
  Size page;    // what it is resized to first; lines are cut out of this
  int bar = 0;  // rows of black above and below
  Size input;   // what page and bars are resized to, multiples of 32

  // Of what boxes are on.
  Size barred() const { return {page.width, page.height + 2 * bar}; }
};

// Sides of a page are 1 at least.
DetectorPlan PlanDetection(const Size& page, const DetectorOptions& options);

// A point of barred(), on the page as it came.
struct PagePoint {
  float x = 0;
  float y = 0;
};
PagePoint OnOriginal(const PagePoint& point, const DetectorPlan& plan,
                     const Size& original);

// What a detector was trained on has of each channel, in the order of pixels.
struct Normalisation {
  std::array<double, 3> mean = {0.5, 0.5, 0.5};
  std::array<double, 3> deviation = {0.5, 0.5, 0.5};
};

// Writes float[3][height][width] of uint8[height][width][3]: the bits that
// NumPy gives for
// ((x.astype("float32") * (1 / 255) - mean) / std).astype("float32").
void FillDetector(const uint8_t* pixels, const Size& size,
                  const Normalisation& normalisation, float* input);

}  // namespace ocr

#endif  // CC_OCR_TEXT_DETECTOR_INPUT_H_
