// Pictures of another size.
#ifndef CC_OCR_PICTURE_RESIZE_H_
#define CC_OCR_PICTURE_RESIZE_H_

#include "cc/ocr/picture/picture.h"

namespace ocr {

// The very bytes of cv2.resize(picture, (width, height)) of OpenCV 4.11, whose
// interpolation is bilinear; half the size both ways is the mean of four pixels
// there, as here. No side may be 0.
Picture Resize(const Picture& picture, int width, int height);

}  // namespace ocr

#endif  // CC_OCR_PICTURE_RESIZE_H_
