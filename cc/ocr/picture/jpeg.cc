// JPEG, by libjpeg-turbo, which Pillow and OpenCV have as well: exact DCT,
// smooth upsampling, all as it is by default.
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

// libjpeg's header needs cstdio's FILE before it, which sorting undoes.
// clang-format off
#include <jpeglib.h>
// clang-format on

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/codecs.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/pack.h"
#include "cc/ocr/picture/picture.h"

namespace ocr {
namespace {

// Encoders write about ten. Each costs a walk over the whole picture: a file of
// 30 MB could ask for millions.
constexpr int kMostScans = 64;

// libjpeg leaves a function that fails by longjmp: functions that call setjmp
// here own nothing.
class Reader {
 public:
  explicit Reader(absl::string_view file) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) {
      auto* reader = static_cast<Reader*>(info->client_data);
      info->err->format_message(info, reader->message_);
      std::longjmp(reader->failed_, 1);
    };
    // Warnings are of data that all programs read nevertheless.
    errors_.emit_message = [](j_common_ptr, int) {};
    errors_.output_message = [](j_common_ptr) {};
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(file.data());
    source_.bytes_in_buffer = file.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.fill_input_buffer = [](j_decompress_ptr info) -> boolean {
      auto* reader = static_cast<Reader*>(info->client_data);
      reader->ends_early_ = true;
      std::longjmp(reader->failed_, 1);
    };
    source_.skip_input_data = [](j_decompress_ptr info, long size) {
      if (size <= 0) return;
      if (static_cast<size_t>(size) > info->src->bytes_in_buffer) {
        info->src->fill_input_buffer(info);
      }
      info->src->next_input_byte += size;
      info->src->bytes_in_buffer -= static_cast<size_t>(size);
    };
    progress_.progress_monitor = [](j_common_ptr info) {
      auto* reader = static_cast<Reader*>(info->client_data);
      if (reader->info_.input_scan_number > kMostScans) {
        reader->too_many_scans_ = true;
        std::longjmp(reader->failed_, 1);
      }
    };
  }
  ~Reader() { jpeg_destroy_decompress(&info_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool ReadHeader() {
    if (setjmp(failed_)) return false;
    jpeg_create_decompress(&info_);
    info_.src = &source_;
    info_.progress = &progress_;
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool Start() {
    if (setjmp(failed_)) return false;
    info_.out_color_space = Inks() ? JCS_CMYK : JCS_EXT_BGR;
    jpeg_start_decompress(&info_);
    return true;
  }

  bool ReadRow(uint8_t* row) {
    if (setjmp(failed_)) return false;
    while (jpeg_read_scanlines(&info_, &row, 1) == 0) {
    }
    return true;
  }

  bool Inks() const { return info_.num_components == 4; }
  const jpeg_decompress_struct& info() const { return info_; }

  absl::Status Error() const {
    if (ends_early_) return EndsEarly("JPEG");
    if (too_many_scans_) {
      return Broken("JPEG", "it is sent in more than 64 scans");
    }
    return Broken("JPEG", message_);
  }

  int64_t WorkingBytes() {
    // Rows of all components on their way to the picture: at most 4 rows of
    // blocks with their context, and one of inks.
    int64_t bytes = (int64_t{1} << 20) + int64_t{info_.image_width} * 256;
    if (jpeg_has_multiple_scans(&info_)) {
      for (int i = 0; i < info_.num_components; ++i) {
        const jpeg_component_info& component = info_.comp_info[i];
        const int64_t across = component.width_in_blocks + 4;
        const int64_t down = component.height_in_blocks + 4;
        bytes += across * down * static_cast<int64_t>(sizeof(JBLOCK));
      }
    }
    for (const auto* m = info_.marker_list; m != nullptr; m = m->next) {
      bytes += m->data_length;
    }
    return bytes;
  }

 private:
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_source_mgr source_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf failed_;
  char message_[JMSG_LENGTH_MAX] = "";
  bool ends_early_ = false;
  bool too_many_scans_ = false;
};

Exif ExifOf(const jpeg_decompress_struct& info) {
  constexpr absl::string_view kExif("Exif\0\0", 6);
  for (const auto* m = info.marker_list; m != nullptr; m = m->next) {
    const absl::string_view data(reinterpret_cast<const char*>(m->data),
                                 m->data_length);
    if (absl::StartsWith(data, kExif)) {
      return ReadExif(data.substr(kExif.size()));
    }
  }
  return {};
}

// JFIF's, which a file has for this; else EXIF's.
Resolution ResolutionOf(const jpeg_decompress_struct& info, const Exif& exif) {
  constexpr int kInches = 1, kCentimetres = 2;
  const bool said = info.saw_JFIF_marker && (info.density_unit == kInches ||
                                             info.density_unit == kCentimetres);
  if (!said) return exif.resolution;
  const double unit = info.density_unit == kInches ? 1 : kInch;
  return {info.X_density * unit, info.Y_density * unit};
}

// As Pillow has it. Adobe's programs, and with them all that write CMYK, store
// how much is left white.
void FromInks(const uint8_t* cmyk, bool inverted, size_t pixels, uint8_t* bgr) {
  const int flip = inverted ? 0 : 255;
  for (size_t i = 0; i < pixels; ++i, cmyk += 4, bgr += 3) {
    const int light = cmyk[3] ^ flip;
    for (int c = 0; c < 3; ++c) {
      const int ink = 255 - (cmyk[2 - c] ^ flip);
      bgr[c] = static_cast<uint8_t>(light - Share(ink, light));
    }
  }
}

}  // namespace

absl::StatusOr<Header> ReadJpegHeader(absl::string_view file) {
  Reader reader(file);
  if (!reader.ReadHeader()) return reader.Error();
  Header header;
  header.format = Format::kJpeg;
  header.width = static_cast<int>(reader.info().image_width);
  header.height = static_cast<int>(reader.info().image_height);
  const Exif exif = ExifOf(reader.info());
  header.orientation = exif.orientation;
  header.resolution = ResolutionOf(reader.info(), exif);
  header.working_bytes = reader.WorkingBytes();
  return header;
}

std::optional<PackedPicture> PackedJpeg(absl::string_view file) {
  Reader reader(file);
  if (!reader.ReadHeader()) return std::nullopt;
  const jpeg_decompress_struct& info = reader.info();
  const bool grey = info.jpeg_color_space == JCS_GRAYSCALE;
  if ((!grey && info.jpeg_color_space != JCS_YCbCr) || info.arith_code) {
    return std::nullopt;
  }
  PackedPicture packed;
  packed.coding = PackedPicture::Coding::kJpeg;
  packed.width = static_cast<int>(info.image_width);
  packed.height = static_cast<int>(info.image_height);
  packed.orientation = ExifOf(info).orientation;
  packed.channels = grey ? 1 : 3;
  packed.data = std::string(file);
  return packed;
}

absl::Status ReadJpeg(absl::string_view file, Picture& picture) {
  Reader reader(file);
  if (!reader.ReadHeader() || !reader.Start()) return reader.Error();
  std::vector<uint8_t> inks(
      reader.Inks() ? size_t{4} * static_cast<size_t>(picture.width) : 0);
  for (int y = 0; y < picture.height; ++y) {
    uint8_t* row = picture.Row(y);
    if (!reader.ReadRow(reader.Inks() ? inks.data() : row)) {
      return reader.Error();
    }
    if (reader.Inks()) {
      FromInks(inks.data(), reader.info().saw_Adobe_marker,
               static_cast<size_t>(picture.width), row);
    }
  }
  return absl::OkStatus();
}

}  // namespace ocr
