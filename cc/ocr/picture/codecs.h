// What decode.cc puts together: a reader of each format.
#ifndef CC_OCR_PICTURE_CODECS_H_
#define CC_OCR_PICTURE_CODECS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/pack.h"
#include "cc/ocr/picture/picture.h"

namespace ocr {

// The first of each pair reads the header alone, the second the pixels into
// `picture`, which has the header's size.
absl::StatusOr<Header> ReadJpegHeader(absl::string_view file);
absl::Status ReadJpeg(absl::string_view file, Picture& picture);

absl::StatusOr<Header> ReadPngHeader(absl::string_view file);
absl::Status ReadPng(absl::string_view file, Picture& picture);

absl::StatusOr<Header> ReadBmpHeader(absl::string_view file);
absl::Status ReadBmp(absl::string_view file, Picture& picture);

absl::StatusOr<Header> ReadWebpHeader(absl::string_view file);
absl::Status ReadWebp(absl::string_view file, int64_t memory, Picture& picture);

absl::Status EndsEarly(absl::string_view format);
// `why` is a library's word.
absl::Status Broken(absl::string_view format, absl::string_view why);

// What a block of EXIF (a TIFF of its own) says.
struct Exif {
  int orientation = 1;
  Resolution resolution;
};
Exif ReadExif(absl::string_view exif);

constexpr double kInch = 2.54;  // centimetres

// The file's own pixels, where pack.h says so.
std::optional<PackedPicture> PackedJpeg(absl::string_view file);
std::optional<PackedPicture> PackedPng(absl::string_view file);
// A PNG; empty where there is no memory.
std::string WritePng(const Picture& picture);

// a * b / 255, rounded.
inline uint8_t Share(int a, int b) {
  const int product = a * b + 128;
  return static_cast<uint8_t>((product + (product >> 8)) >> 8);
}

// Pixels of blue, green, red and alpha, on white.
void OnWhite(const uint8_t* bgra, size_t pixels, uint8_t* bgr);

// Numbers in a file, from its least byte and from its greatest.
inline uint32_t Little(absl::string_view file, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = size; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(file[at + i]);
  }
  return value;
}
inline uint32_t Big(absl::string_view file, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value = value << 8 | static_cast<uint8_t>(file[at + i]);
  }
  return value;
}

}  // namespace ocr

#endif  // CC_OCR_PICTURE_CODECS_H_
