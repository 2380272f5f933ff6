// Files of pictures.
#ifndef CC_OCR_PICTURE_DECODE_H_
#define CC_OCR_PICTURE_DECODE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/picture.h"

namespace ocr {

// What a file may hold. It is held against the file's header, before anything
// that grows with the picture is allocated.
struct Limits {
  int64_t bytes = 32 << 20;  // of the file
  int64_t pixels =
      40'000'000;  // width times height; A4 at 600 dpi has 35 million
  int64_t side =
      30'000;           // of the longer side; Crop() takes no more than 32,767
  int64_t ratio = 200;  // of the longer side to the shorter
};

enum class Format { kJpeg, kPng, kBmp, kWebp };

// Dots per inch; 0 where a file says none.
struct Resolution {
  double across = 0;
  double down = 0;
};

struct Header {
  Format format = Format::kJpeg;
  // As it is stored, before `orientation`.
  int width = 0;
  int height = 0;
  int orientation = 1;    // EXIF's, 1 to 8
  Resolution resolution;  // before `orientation` too
  // Upright its width is `height`, and its height `width`.
  bool lies_on_a_side() const { return orientation > 4; }
  // What decoding allocates besides the picture, at most.
  int64_t working_bytes = 0;
};

// What a file says of its picture. The errors of this and of Decode() are
// sentences for who sent the file; OutOfRange where a limit refuses it,
// InvalidArgument where it is broken or of a kind that is not read.
absl::StatusOr<Header> ReadHeader(absl::string_view file, const Limits& limits);

// Bytes that Decode() has allocated at any time, at most, the file left out.
int64_t DecodeMemory(const Header& header);

// The picture of a JPEG, PNG, BMP or WebP, upright by its EXIF orientation.
// Pixels are those of Pillow and of cv2.imread, with these colours:
// - what is transparent lies on white, as paper is;
// - of 16 bits the upper 8;
// - CMYK without its colour profile, which is ignored everywhere.
// A file that ends early is refused, not filled up with grey. So is TIFF:
// libtiff's archive needs those of seven other decoders, none of which it
// bounds.
absl::StatusOr<Picture> Decode(absl::string_view file, const Limits& limits);

}  // namespace ocr

#endif  // CC_OCR_PICTURE_DECODE_H_
