// WebP, by libwebp.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/codecs.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/picture.h"
#include "webp/decode.h"

// A lossless file of 160 kB can make libwebp build 1.3 GB of tables, which its
// header does not tell. So what it allocates in Decode() goes through here: the
// linker gives libwebp these two in the place of its own (`--wrap`,
// BUILD.bazel).
extern "C" {
void* __real_WebPSafeMalloc(uint64_t count, size_t size);  // NOLINT
void* __real_WebPSafeCalloc(uint64_t count, size_t size);  // NOLINT
}

namespace ocr {
namespace {

// What this thread may allocate yet; what is given back is not counted, as
// little is before the end. libwebp tells of a lack in words of its own.
thread_local int64_t left = std::numeric_limits<int64_t>::max();
thread_local bool lacked = false;

bool Pay(uint64_t count, size_t size) {
  lacked |= count > 0 && size > static_cast<uint64_t>(left) / count;
  if (!lacked) left -= static_cast<int64_t>(count * size);
  return !lacked;
}

absl::StatusOr<WebPBitstreamFeatures> Features(absl::string_view file) {
  WebPBitstreamFeatures features;
  switch (WebPGetFeatures(reinterpret_cast<const uint8_t*>(file.data()),
                          file.size(), &features)) {
    case VP8_STATUS_OK:
      return features;
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return EndsEarly("WebP");
    default:
      return Broken("WebP", "its header cannot be read");
  }
}

Exif ExifOf(absl::string_view file) {
  constexpr size_t kFrame = 8;  // of a chunk: its name and length
  size_t at = 12;
  while (at <= file.size() && file.size() - at >= kFrame) {
    const size_t size = Little(file, at + 4, 4);
    const absl::string_view data = file.substr(at + kFrame, size);
    if (file.substr(at, 4) == "EXIF") {
      // Some programs write what JPEG has before it.
      constexpr absl::string_view kExif("Exif\0\0", 6);
      return ReadExif(absl::StartsWith(data, kExif) ? data.substr(kExif.size())
                                                    : data);
    }
    at += kFrame + size + size % 2;
  }
  return {};
}

}  // namespace

absl::StatusOr<Header> ReadWebpHeader(absl::string_view file) {
  const absl::StatusOr<WebPBitstreamFeatures> features = Features(file);
  if (!features.ok()) return features.status();
  if (features->has_animation) {
    return absl::InvalidArgumentError(
        "the WebP is a film; send one of its pictures");
  }
  constexpr int kLossless = 2;
  const int64_t pixels = int64_t{features->width} * features->height;
  Header header;
  header.format = Format::kWebp;
  header.width = features->width;
  header.height = features->height;
  const Exif exif = ExifOf(file);
  header.orientation = exif.orientation;
  header.resolution = exif.resolution;
  // Of lossy ones some rows; of lossless ones and of alpha, which is coded as
  // these are, the pixels and tables, which the encoder keeps below 54 MB.
  header.working_bytes = (int64_t{1} << 20) + int64_t{features->width} * 256;
  const bool lossless = features->format == kLossless;
  if (lossless) header.working_bytes += 4 * pixels;
  if (features->has_alpha) header.working_bytes += 4 * pixels + 2 * pixels;
  if (lossless || features->has_alpha) header.working_bytes += 54 << 20;
  return header;
}

absl::Status ReadWebp(absl::string_view file, int64_t memory,
                      Picture& picture) {
  const absl::StatusOr<WebPBitstreamFeatures> features = Features(file);
  if (!features.ok()) return features.status();
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    return absl::InternalError("libwebp is not the one of its header");
  }
  const bool alpha = features->has_alpha != 0;
  const auto width = static_cast<size_t>(picture.width);
  std::vector<uint8_t> bgra(
      alpha ? 4 * width * static_cast<size_t>(picture.height) : 0);
  config.output.colorspace = alpha ? MODE_BGRA : MODE_BGR;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = alpha ? bgra.data() : picture.bgr.data();
  config.output.u.RGBA.size = alpha ? bgra.size() : picture.bgr.size();
  config.output.u.RGBA.stride = picture.width * (alpha ? 4 : 3);
  left = memory - static_cast<int64_t>(bgra.size());
  lacked = false;
  const VP8StatusCode code = WebPDecode(
      reinterpret_cast<const uint8_t*>(file.data()), file.size(), &config);
  left = std::numeric_limits<int64_t>::max();
  if (lacked) {
    lacked = false;
    return Broken("WebP", "it needs more memory than its size explains");
  }
  switch (code) {
    case VP8_STATUS_OK:
      break;
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return EndsEarly("WebP");
    default:
      return Broken("WebP", "its pixels cannot be read");
  }
  if (alpha) {
    OnWhite(bgra.data(), bgra.size() / 4, picture.bgr.data());
  }
  return absl::OkStatus();
}

}  // namespace ocr

extern "C" {

void* __wrap_WebPSafeMalloc(uint64_t count, size_t size) {  // NOLINT
  return ocr::Pay(count, size) ? __real_WebPSafeMalloc(count, size) : nullptr;
}

void* __wrap_WebPSafeCalloc(uint64_t count, size_t size) {  // NOLINT
  return ocr::Pay(count, size) ? __real_WebPSafeCalloc(count, size) : nullptr;
}

}  // extern "C"
