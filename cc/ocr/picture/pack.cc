#include "cc/ocr/picture/pack.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "cc/ocr/picture/codecs.h"

namespace ocr {

absl::StatusOr<PackedPicture> Pack(absl::string_view file,
                                   const Limits& limits) {
  const absl::StatusOr<Header> header = ReadHeader(file, limits);
  if (!header.ok()) return header.status();
  std::optional<PackedPicture> packed;
  if (header->format == Format::kJpeg) packed = PackedJpeg(file);
  if (header->format == Format::kPng) packed = PackedPng(file);
  if (packed.has_value()) return *std::move(packed);
  const absl::StatusOr<Picture> decoded = Decode(file, limits);
  if (!decoded.ok()) return decoded.status();
  packed = PackedPng(WritePng(*decoded));
  if (!packed.has_value()) {
    return absl::ResourceExhaustedError(
        "there is no memory for the picture's pixels");
  }
  return *std::move(packed);
}

}  // namespace ocr
