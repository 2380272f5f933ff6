#include "cc/ocr/picture/decode.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/codecs.h"
#include "cc/ocr/picture/picture.h"
#include "cc/ocr/picture/warp.h"

namespace ocr {
namespace {

// 40,000,000
std::string WithCommas(int64_t number) {
  std::string text = absl::StrCat(number);
  for (size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

absl::Status CheckSize(int64_t width, int64_t height, const Limits& limits) {
  const int64_t longer = std::max(width, height);
  const int64_t shorter = std::min(width, height);
  if (width * height > limits.pixels) {
    return absl::OutOfRangeError(absl::StrCat(
        "the picture has ", width, " x ", height, " pixels, more than the ",
        WithCommas(limits.pixels), " allowed; make it smaller"));
  }
  if (longer > limits.side) {
    return absl::OutOfRangeError(absl::StrCat(
        "the picture has ", width, " x ", height,
        " pixels; no side may have more than ", WithCommas(limits.side)));
  }
  if (longer > limits.ratio * shorter) {
    return absl::OutOfRangeError(
        absl::StrCat("the picture has ", width, " x ", height,
                     " pixels; the longer side may be at most ", limits.ratio,
                     " times the shorter"));
  }
  return absl::OkStatus();
}

constexpr absl::string_view kPngSignature("\x89PNG\r\n\x1a\n", 8);

absl::Status Unknown(absl::string_view file) {
  constexpr absl::string_view kKnown = "JPEG, PNG, BMP and WebP are read";
  for (const auto& [start, name] :
       {std::pair<absl::string_view, absl::string_view>{
            absl::string_view("II*\0", 4), "a TIFF"},
        {absl::string_view("MM\0*", 4), "a TIFF"},
        {"GIF8", "a GIF"},
        {"%PDF-", "a PDF"},
        {absl::string_view("\xff\x0a", 2), "a JPEG XL"}}) {
    if (absl::StartsWith(file, start)) {
      return absl::InvalidArgumentError(
          absl::StrCat("it is ", name, "; ", kKnown));
    }
  }
  if (file.size() >= 12 && file.substr(4, 4) == "ftyp") {
    return absl::InvalidArgumentError(
        absl::StrCat("it is a HEIC, an AVIF or a film; ", kKnown));
  }
  if (file.empty()) {
    return absl::InvalidArgumentError("it is empty, and no picture");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("it is no picture that is known: ", kKnown));
}

absl::StatusOr<Header> ReadAnyHeader(absl::string_view file) {
  if (absl::StartsWith(file, "\xff\xd8\xff")) return ReadJpegHeader(file);
  if (absl::StartsWith(file, kPngSignature)) return ReadPngHeader(file);
  if (absl::StartsWith(file, "BM")) return ReadBmpHeader(file);
  if (absl::StartsWith(file, "RIFF") && file.size() >= 12 &&
      file.substr(8, 4) == "WEBP") {
    return ReadWebpHeader(file);
  }
  return Unknown(file);
}

int64_t PictureBytes(const Header& header) {
  return int64_t{3} * header.width * header.height;
}

}  // namespace

absl::StatusOr<Header> ReadHeader(absl::string_view file,
                                  const Limits& limits) {
  if (static_cast<int64_t>(file.size()) > limits.bytes) {
    return absl::OutOfRangeError(absl::StrCat(
        "the file has ", WithCommas(static_cast<int64_t>(file.size())),
        " bytes, more than the ", WithCommas(limits.bytes), " allowed"));
  }
  const absl::StatusOr<Header> header = ReadAnyHeader(file);
  if (!header.ok()) return header;
  if (header->width < 1 || header->height < 1) {
    return absl::InvalidArgumentError("the picture has no pixels");
  }
  const absl::Status size = CheckSize(header->width, header->height, limits);
  if (!size.ok()) return size;
  return header;
}

int64_t DecodeMemory(const Header& header) {
  // A quarter turn cannot be done in place.
  return PictureBytes(header) * (header.lies_on_a_side() ? 2 : 1) +
         header.working_bytes;
}

absl::StatusOr<Picture> Decode(absl::string_view file, const Limits& limits) {
  const absl::StatusOr<Header> header = ReadHeader(file, limits);
  if (!header.ok()) return header.status();
  Picture picture(header->width, header->height);
  absl::Status status;
  switch (header->format) {
    case Format::kJpeg:
      status = ReadJpeg(file, picture);
      break;
    case Format::kPng:
      status = ReadPng(file, picture);
      break;
    case Format::kBmp:
      status = ReadBmp(file, picture);
      break;
    case Format::kWebp:
      status = ReadWebp(file, header->working_bytes, picture);
      break;
  }
  if (!status.ok()) return status;
  return Upright(std::move(picture), header->orientation);
}

absl::Status EndsEarly(absl::string_view format) {
  return absl::InvalidArgumentError(
      absl::StrCat("the ", format, " ends before its end"));
}

absl::Status Broken(absl::string_view format, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the ", format, " is broken: ", why));
}

Exif ReadExif(absl::string_view exif) {
  constexpr size_t kEntry = 12;
  enum Tag : uint32_t {
    kOrientation = 0x112,
    kAcross = 0x11a,
    kDown = 0x11b,
    kUnit = 0x128
  };
  enum Type : uint32_t { kShort = 3, kRational = 5 };
  constexpr uint32_t kNone = 1, kCentimetre = 3;
  Exif said;
  const bool little = absl::StartsWith(exif, absl::string_view("II*\0", 4));
  if (!little && !absl::StartsWith(exif, absl::string_view("MM\0*", 4))) {
    return said;
  }
  const auto number = little ? Little : Big;
  if (exif.size() < 8) return said;
  const size_t directory = number(exif, 4, 4);
  if (directory > exif.size() || exif.size() - directory < 2) return said;
  const size_t there = (exif.size() - directory - 2) / kEntry;
  const size_t entries = std::min<size_t>(number(exif, directory, 2), there);
  uint32_t unit = 0;
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * kEntry;
    const uint32_t tag = number(exif, at, 2), type = number(exif, at + 2, 2);
    if (type == kShort) {
      const uint32_t value = number(exif, at + 8, 2);
      if (tag == kOrientation) {
        said.orientation =
            value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
      }
      if (tag == kUnit) unit = value;
    }
    if (type == kRational && (tag == kAcross || tag == kDown)) {
      const size_t place = number(exif, at + 8, 4);
      if (place > exif.size() || exif.size() - place < 8) continue;
      const uint32_t parts = number(exif, place + 4, 4);
      const double value =
          parts == 0 ? 0 : number(exif, place, 4) / static_cast<double>(parts);
      (tag == kAcross ? said.resolution.across : said.resolution.down) = value;
    }
  }
  if (unit == kNone) said.resolution = {};
  if (unit == kCentimetre) {
    said.resolution.across *= kInch;
    said.resolution.down *= kInch;
  }
  return said;
}

void OnWhite(const uint8_t* bgra, size_t pixels, uint8_t* bgr) {
  for (size_t i = 0; i < pixels; ++i, bgra += 4, bgr += 3) {
    for (int c = 0; c < 3; ++c) {
      bgr[c] = static_cast<uint8_t>(255 - Share(255 - bgra[c], bgra[3]));
    }
  }
}

}  // namespace ocr
