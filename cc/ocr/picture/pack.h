// Pictures as a PDF holds them.
#ifndef CC_OCR_PICTURE_PACK_H_
#define CC_OCR_PICTURE_PACK_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/decode.h"

namespace ocr {

struct PackedPicture {
  enum class Coding {
    kJpeg,  // `data` is a JPEG
    kPng,   // rows with PNG's filters, compressed by zlib: the IDAT of a PNG
  };
  Coding coding = Coding::kJpeg;
  int width = 0;
  int height = 0;
  int orientation = 1;  // EXIF's, of how this lies
  int channels = 3;     // red, green and blue; 1: grey, or of the palette
  int bits = 8;         // of a channel
  std::string
      palette;  // red, green, blue of all that `bits` can name; or empty
  std::string data;
};

// The picture of a file that Decode() takes. A file's own data, not a bit of
// them changed, where every reader of PDFs knows them: JPEG in grey or YCbCr
// that is not coded arithmetically; PNG of up to 8 bits that is neither
// transparent nor interlaced. Of others, what Decode() makes of them, as PNG.
absl::StatusOr<PackedPicture> Pack(absl::string_view file,
                                   const Limits& limits);

}  // namespace ocr

#endif  // CC_OCR_PICTURE_PACK_H_
