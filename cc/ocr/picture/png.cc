// PNG, by libpng.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/codecs.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/pack.h"
#include "cc/ocr/picture/picture.h"

namespace ocr {
namespace {

constexpr size_t kSignature = 8;
constexpr size_t kFrame = 12;  // of a chunk: its length, name and check sum

struct Chunks {
  int orientation = 1;
  bool transparent = false;  // tRNS
  Resolution resolution;
  absl::string_view palette;
  std::vector<absl::string_view> data;  // IDAT
};

Chunks Walk(absl::string_view file) {
  Chunks chunks;
  size_t at = kSignature;
  while (file.size() - at >= kFrame) {
    const size_t size = Big(file, at, 4);
    if (size > file.size() - at - kFrame) break;
    const absl::string_view name = file.substr(at + 4, 4);
    const absl::string_view content = file.substr(at + 8, size);
    if (name == "tRNS") chunks.transparent = true;
    if (name == "PLTE" && chunks.palette.empty()) chunks.palette = content;
    if (name == "IDAT") chunks.data.push_back(content);
    if (name == "eXIf") {
      const Exif exif = ReadExif(content);
      chunks.orientation = exif.orientation;
      if (chunks.resolution.across == 0) chunks.resolution = exif.resolution;
    }
    if (name == "pHYs" && size == 9 && content[8] == 1) {
      chunks.resolution = {Big(content, 0, 4) * kInch / 100,
                           Big(content, 4, 4) * kInch / 100};
    }
    at += kFrame + size;
  }
  return chunks;
}

// libpng leaves a function that fails by longjmp: functions that call setjmp
// here own nothing.
class Reader {
 public:
  explicit Reader(absl::string_view file) : left_(file) {}
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Rows are then of Channels() bytes a pixel.
  bool Start() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, Fail,
                                  [](png_structp, png_const_charp) {});
    if (png_ == nullptr) return false;
    if (setjmp(failed_)) return false;
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) return false;
    png_set_read_fn(png_, this, [](png_structp png, png_bytep to, size_t size) {
      auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
      if (size > reader->left_.size()) {
        reader->ends_early_ = true;
        png_error(png, "");
      }
      std::memcpy(to, reader->left_.data(), size);
      reader->left_.remove_prefix(size);
    });
    // The limits are Decode()'s. Texts and profiles are skipped, not unpacked.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png_, info_);
    png_set_expand(png_);
    png_set_strip_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_bgr(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool ReadRow(uint8_t* row) {
    if (setjmp(failed_)) return false;
    png_read_row(png_, row, nullptr);
    return true;
  }

  size_t Channels() const { return png_get_channels(png_, info_); }
  int passes() const { return passes_; }
  absl::Status Error() const {
    return ends_early_ ? EndsEarly("PNG") : Broken("PNG", message_);
  }

 private:
  [[noreturn]] static void Fail(png_structp png, png_const_charp message) {
    auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
    std::strncpy(reader->message_, message, sizeof(reader->message_) - 1);
    std::longjmp(reader->failed_, 1);
  }

  absl::string_view left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf failed_;
  int passes_ = 1;
  char message_[100] = "there is no memory";
  bool ends_early_ = false;
};

}  // namespace

absl::StatusOr<Header> ReadPngHeader(absl::string_view file) {
  constexpr size_t kImageHeader = 13;
  if (file.size() < kSignature + kFrame + kImageHeader) return EndsEarly("PNG");
  if (Big(file, kSignature, 4) != kImageHeader ||
      file.substr(kSignature + 4, 4) != "IHDR") {
    return Broken("PNG", "it does not begin with its header");
  }
  const size_t at = kSignature + 8;
  const uint32_t width = Big(file, at, 4), height = Big(file, at + 4, 4);
  const uint32_t bits = Big(file, at + 8, 1), kind = Big(file, at + 9, 1);
  if (width > PNG_UINT_31_MAX || height > PNG_UINT_31_MAX) {
    return Broken("PNG", "its size is no number");
  }
  const Chunks chunks = Walk(file);
  Header header;
  header.format = Format::kPng;
  header.width = static_cast<int>(width);
  header.height = static_cast<int>(height);
  header.orientation = chunks.orientation;
  header.resolution = chunks.resolution;
  // libpng's rows, of up to 4 channels of 16 bits: two, and one more for what
  // it does to them; the row on its way to white.
  header.working_bytes = (int64_t{1} << 20) + int64_t{width} * (3 * 8 + 4);
  const bool alpha = (kind & PNG_COLOR_MASK_ALPHA) != 0 || chunks.transparent;
  const bool interlaced = file[at + 12] != 0;
  if (alpha && interlaced) {
    // Held against limits only after this.
    const int64_t pixels = int64_t{width} * height;
    header.working_bytes += 4 * std::min(pixels, INT64_MAX / 8);
  }
  if (bits > 16) return Broken("PNG", "its pixels have too many bits");
  return header;
}

std::optional<PackedPicture> PackedPng(absl::string_view file) {
  constexpr size_t kAt = kSignature + 8;
  const auto header = ReadPngHeader(file);
  if (!header.ok()) return std::nullopt;
  const Chunks chunks = Walk(file);
  const uint32_t bits = Big(file, kAt + 8, 1), kind = Big(file, kAt + 9, 1);
  const bool interlaced = file[kAt + 12] != 0;
  if (bits > 8 || (kind & PNG_COLOR_MASK_ALPHA) != 0 || chunks.transparent ||
      interlaced) {
    return std::nullopt;
  }
  PackedPicture packed;
  packed.coding = PackedPicture::Coding::kPng;
  packed.width = header->width;
  packed.height = header->height;
  packed.orientation = header->orientation;
  packed.channels = kind == PNG_COLOR_TYPE_RGB ? 3 : 1;
  packed.bits = static_cast<int>(bits);
  if (kind == PNG_COLOR_TYPE_PALETTE) {
    packed.palette = std::string(chunks.palette);
    // Of what is not there libpng makes black.
    packed.palette.resize(size_t{3} << bits);
  }
  packed.data = absl::StrJoin(chunks.data, "");
  return packed;
}

std::string WritePng(const Picture& picture) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_BGR;
  std::string file(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = file.size();
  const bool written =
      png_image_write_to_memory(&image, file.data(), &size, 0,
                                picture.bgr.data(), 0, nullptr) != 0;
  file.resize(written ? size : 0);
  return file;
}

absl::Status ReadPng(absl::string_view file, Picture& picture) {
  Reader reader(file);
  if (!reader.Start()) return reader.Error();
  const bool alpha = reader.Channels() == 4;
  const auto width = static_cast<size_t>(picture.width);
  const auto height = static_cast<size_t>(picture.height);
  // Of an interlaced picture each pass adds to the rows of those before it.
  const bool whole = alpha && reader.passes() > 1;
  const size_t rows = whole ? height : alpha ? 1 : 0;
  std::vector<uint8_t> bgra(4 * width * rows);
  for (int pass = 0; pass < reader.passes(); ++pass) {
    for (int y = 0; y < picture.height; ++y) {
      uint8_t* row = picture.Row(y);
      if (alpha) {
        row = bgra.data() + (whole ? 4 * width * static_cast<size_t>(y) : 0);
      }
      if (!reader.ReadRow(row)) return reader.Error();
      if (alpha && !whole) OnWhite(row, width, picture.Row(y));
    }
  }
  if (whole) OnWhite(bgra.data(), width * height, picture.bgr.data());
  return absl::OkStatus();
}

}  // namespace ocr
