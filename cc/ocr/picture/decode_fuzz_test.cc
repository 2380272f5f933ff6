// Files of pictures.
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/refusal_check.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/pack.h"
#include "cc/ocr/picture/picture.h"

namespace {

void CheckPacked(const ocr::PackedPicture& packed,
                 const ocr::Picture& picture) {
  const bool turned = packed.orientation > 4;
  fuzz::Check((turned ? packed.height : packed.width) == picture.width &&
                  (turned ? packed.width : packed.height) == picture.height,
              "it lies as its orientation says");
  if (packed.coding == ocr::PackedPicture::Coding::kJpeg) return;
  fuzz::Check(packed.palette.empty() ||
                  packed.palette.size() == size_t{3} << packed.bits,
              "a palette has all colours that pixels can name");
  // Each row has a byte for its filter.
  const size_t row =
      1 +
      (static_cast<size_t>(packed.width * packed.channels * packed.bits) + 7) /
          8;
  std::string rows(row * static_cast<size_t>(packed.height), '\0');
  uLongf size = rows.size();
  uncompress(reinterpret_cast<Bytef*>(rows.data()), &size,
             reinterpret_cast<const Bytef*>(packed.data.data()),
             packed.data.size());
  fuzz::Check(size == rows.size(), "all rows are there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view file = fuzz::Text(data, size);
  ocr::Limits limits;
  limits.pixels = 200'000;
  const absl::StatusOr<ocr::Header> header = ocr::ReadHeader(file, limits);
  const absl::StatusOr<ocr::Picture> picture = ocr::Decode(file, limits);
  if (!picture.ok()) {
    base::CheckRefusal(picture.status(), {absl::StatusCode::kInvalidArgument,
                                          absl::StatusCode::kOutOfRange});
    return 0;
  }
  fuzz::Check(header.ok(), "what has no header has no pixels");
  const bool turned = header->orientation > 4;
  fuzz::Check(picture->width == (turned ? header->height : header->width) &&
                  picture->height == (turned ? header->width : header->height),
              "the header tells the size");
  fuzz::Check(picture->bgr.size() == picture->RowBytes() * picture->height,
              "there are as many pixels");
  const int64_t pixels = int64_t{picture->width} * picture->height;
  fuzz::Check(pixels >= 1 && pixels <= limits.pixels, "limits hold");
  fuzz::Check(ocr::DecodeMemory(*header) >= 3 * pixels, "pixels are paid for");
  const absl::StatusOr<ocr::PackedPicture> packed = ocr::Pack(file, limits);
  fuzz::Check(packed.ok(), "what has pixels can be packed");
  CheckPacked(*packed, *picture);
  return 0;
}
