// Files of pictures.
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/refusal_check.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/picture.h"

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
  return 0;
}
