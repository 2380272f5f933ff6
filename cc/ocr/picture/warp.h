// Cuts lines of text out of a picture, and turns pictures.
#ifndef CC_OCR_PICTURE_WARP_H_
#define CC_OCR_PICTURE_WARP_H_

#include <array>

#include "absl/status/statusor.h"
#include "cc/ocr/picture/picture.h"

namespace ocr {

struct Corner {
  float x = 0;
  float y = 0;
};

// Corners in the order of reading: top left, top right, bottom right, bottom
// left.
using Quadrilateral = std::array<Corner, 4>;

// The quadrilateral as an upright rectangle, as rapidocr's
// get_rotate_crop_image makes it: as wide and high as the longer of its two
// sides, a quarter turned to the left where that is 1.5 times as high as wide.
// The pixels are those of OpenCV 4.11: getPerspectiveTransform, then
// warpPerspective with INTER_CUBIC and BORDER_REPLICATE.
//
// An error where there is nothing to cut: a side below one pixel, or one beyond
// the 32,767 that OpenCV can address.
absl::StatusOr<Picture> Crop(const Picture& picture,
                             const Quadrilateral& corners);

// Whether Crop() makes that quarter turn.
bool CropIsTurned(const Quadrilateral& corners);

// All eight turns and reflections, by EXIF's numbers: `orientation` says how
// the picture lies, 1 as it should. What is not 1 to 8 is taken for 1.
Picture Upright(Picture picture, int orientation);

// Upside down, in place.
void Rotate180(Picture& picture);

}  // namespace ocr

#endif  // CC_OCR_PICTURE_WARP_H_
