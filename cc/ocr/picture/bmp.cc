// BMP: of all bits, palettes, masks and run lengths that Windows writes. No
// library of Debian reads it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/picture/codecs.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/picture.h"

namespace ocr {
namespace {

enum Compression : uint32_t {
  kPlain = 0,
  kRuns8 = 1,
  kRuns4 = 2,
  kMasks = 3,
  kAlphaMasks = 6,
};

struct Bmp {
  int64_t width = 0;
  int64_t height = 0;
  bool from_top = false;
  uint32_t bits = 0;  // of a pixel
  uint32_t compression = kPlain;
  size_t pixels = 0;                   // where they begin
  std::array<uint32_t, 4> masks = {};  // red, green, blue, alpha
  size_t palette = 0;                  // where it begins
  size_t colour_bytes = 4;             // of a colour of the palette
  uint32_t colours = 0;
  Resolution resolution;

  size_t RowBytes() const {
    return (static_cast<size_t>(width) * bits + 31) / 32 * 4;
  }
};

absl::StatusOr<Bmp> Parse(absl::string_view file) {
  constexpr size_t kFileHeader = 14;
  if (file.size() < kFileHeader + 12) return EndsEarly("BMP");
  Bmp bmp;
  bmp.pixels = Little(file, 10, 4);
  const size_t size = Little(file, kFileHeader, 4);
  const bool old = size == 12;
  if (!old && (size < 16 || size > 124)) {
    return Broken("BMP", "its header has an unknown size");
  }
  if (file.size() < kFileHeader + size) return EndsEarly("BMP");
  const size_t at = kFileHeader + 4;
  // What shorter headers leave out is 0.
  const auto field = [&](size_t place, size_t bytes) {
    return place + bytes <= kFileHeader + size ? Little(file, place, bytes) : 0;
  };
  if (old) {
    bmp.width = field(at, 2);
    bmp.height = field(at + 2, 2);
    bmp.bits = field(at + 6, 2);
    bmp.colour_bytes = 3;
  } else {
    bmp.width = static_cast<int32_t>(field(at, 4));
    bmp.height = static_cast<int32_t>(field(at + 4, 4));
    bmp.bits = field(at + 10, 2);
    bmp.compression = field(at + 12, 4);
    bmp.colours = field(at + 28, 4);
    const auto per_metre = [&](size_t place) {
      return std::max(0, static_cast<int32_t>(field(place, 4))) * kInch / 100;
    };
    bmp.resolution = {per_metre(at + 20), per_metre(at + 24)};
  }
  bmp.from_top = bmp.height < 0;
  bmp.height = std::abs(bmp.height);
  if (bmp.width < 0 || bmp.height > INT32_MAX) {
    return Broken("BMP", "its size is no number");
  }
  const bool palette = bmp.bits == 1 || bmp.bits == 4 || bmp.bits == 8;
  const bool direct = bmp.bits == 16 || bmp.bits == 24 || bmp.bits == 32;
  const bool masks =
      bmp.compression == kMasks || bmp.compression == kAlphaMasks;
  const bool fits = bmp.compression == kPlain   ? palette || direct
                    : bmp.compression == kRuns8 ? bmp.bits == 8 && !bmp.from_top
                    : bmp.compression == kRuns4
                        ? bmp.bits == 4 && !bmp.from_top
                        : masks && (bmp.bits == 16 || bmp.bits == 32);
  if (!fits) return Broken("BMP", "its pixels are of an unknown kind");

  bmp.palette = kFileHeader + size;
  if (masks) {
    // Behind a header of 40 bytes, within a larger one.
    const size_t count = bmp.compression == kAlphaMasks || size >= 56 ? 4 : 3;
    const size_t place = kFileHeader + 40;
    if (file.size() < place + 4 * count) return EndsEarly("BMP");
    for (size_t i = 0; i < count; ++i) {
      bmp.masks[i] = Little(file, place + 4 * i, 4);
    }
  } else if (bmp.bits == 16) {
    bmp.masks = {0x7c00, 0x3e0, 0x1f, 0};
  } else {
    bmp.masks = {0xff0000, 0xff00, 0xff, 0};
  }
  // Others may have one too, for screens of 256 colours.
  const uint32_t most = palette ? 1U << bmp.bits : 0;
  if (bmp.colours == 0 || bmp.colours > most) bmp.colours = most;
  if (file.size() < bmp.palette + bmp.colour_bytes * bmp.colours) {
    return EndsEarly("BMP");
  }
  return bmp;
}

// A colour of a pixel by its mask.
class Channel {
 public:
  explicit Channel(uint32_t mask) {
    if (mask == 0) return;
    while ((mask >> shift_ & 1) == 0) ++shift_;
    most_ = mask >> shift_;
  }
  bool there() const { return most_ != 0; }
  uint8_t operator()(uint32_t pixel) const {
    if (most_ == 0) return 0;
    return static_cast<uint8_t>(uint64_t{pixel >> shift_ & most_} * 255 /
                                most_);
  }

 private:
  int shift_ = 0;
  uint32_t most_ = 0;
};

void ReadDirect(absl::string_view rows, const Bmp& bmp, Picture& picture) {
  const size_t bytes = bmp.bits / 8;
  const Channel red(bmp.masks[0]), green(bmp.masks[1]), blue(bmp.masks[2]),
      alpha(bmp.masks[3]);
  const auto each = [&](auto&& visit) {
    for (int y = 0; y < picture.height; ++y) {
      const size_t row = bmp.RowBytes() * static_cast<size_t>(y);
      uint8_t* to = picture.Row(bmp.from_top ? y : picture.height - 1 - y);
      for (int x = 0; x < picture.width; ++x, to += 3) {
        visit(Little(rows, row + bytes * static_cast<size_t>(x), bytes), to);
      }
    }
  };
  // Many programs leave the alpha of all pixels at 0 and mean nothing by it.
  bool visible = false;
  if (alpha.there()) {
    each([&](uint32_t pixel, uint8_t*) { visible |= alpha(pixel) != 0; });
  }
  each([&](uint32_t pixel, uint8_t* to) {
    const uint8_t bgra[4] = {blue(pixel), green(pixel), red(pixel),
                             visible ? alpha(pixel) : uint8_t{255}};
    OnWhite(bgra, 1, to);
  });
}

class Palette {
 public:
  Palette(absl::string_view file, const Bmp& bmp) {
    for (size_t i = 0; i < bmp.colours; ++i) {
      const size_t at = bmp.palette + bmp.colour_bytes * i;
      for (size_t c = 0; c < 3; ++c) {
        colours_[i][c] = static_cast<uint8_t>(file[at + c]);
      }
    }
  }
  // What the palette has not is black.
  void Write(uint32_t colour, uint8_t* to) const {
    std::copy(colours_[colour].begin(), colours_[colour].end(), to);
  }

 private:
  std::array<std::array<uint8_t, 3>, 256> colours_ = {};
};

void ReadIndexed(absl::string_view rows, const Bmp& bmp, const Palette& palette,
                 Picture& picture) {
  const uint32_t in_byte = 8 / bmp.bits;
  for (int y = 0; y < picture.height; ++y) {
    const size_t row = bmp.RowBytes() * static_cast<size_t>(y);
    uint8_t* to = picture.Row(bmp.from_top ? y : picture.height - 1 - y);
    for (uint32_t x = 0; x < static_cast<uint32_t>(picture.width); ++x) {
      const uint32_t byte = Little(rows, row + x / in_byte, 1);
      const uint32_t shift = 8 - bmp.bits * (x % in_byte + 1);
      palette.Write(byte >> shift & ((1U << bmp.bits) - 1), to);
      to += 3;
    }
  }
}

// Runs of a colour (two, in turn, of 4 bits), and pixels as they are between
// them.
absl::Status ReadRuns(absl::string_view data, const Bmp& bmp,
                      const Palette& palette, Picture& picture) {
  for (int64_t i = 0; i < bmp.width * bmp.height; ++i) {
    palette.Write(0, picture.bgr.data() + 3 * i);  // what is skipped
  }
  int64_t x = 0, y = 0;
  const auto put = [&](uint32_t colour) {
    if (x >= bmp.width) return;
    palette.Write(colour,
                  picture.Row(static_cast<int>(bmp.height - 1 - y)) + 3 * x);
    ++x;
  };
  const auto nibble = [](uint32_t byte, uint32_t i) {
    return i % 2 == 0 ? byte >> 4 : byte & 15;
  };
  const bool bytes = bmp.bits == 8;
  size_t at = 0;
  while (y < bmp.height) {
    if (data.size() - at < 2) return EndsEarly("BMP");
    const uint32_t count = Little(data, at, 1);
    const uint32_t value = Little(data, at + 1, 1);
    at += 2;
    if (count > 0) {
      for (uint32_t i = 0; i < count; ++i) {
        put(bytes ? value : nibble(value, i));
      }
    } else if (value == 0) {  // end of a row
      x = 0;
      ++y;
    } else if (value == 1) {  // end of the picture
      break;
    } else if (value == 2) {  // a step right and up
      if (data.size() - at < 2) return EndsEarly("BMP");
      x += Little(data, at, 1);
      y += Little(data, at + 1, 1);
      at += 2;
    } else {
      const size_t size = bytes ? value : (value + 1) / 2;
      const size_t padded = (size + 1) / 2 * 2;
      if (data.size() - at < padded) return EndsEarly("BMP");
      for (uint32_t i = 0; i < value; ++i) {
        put(bytes ? Little(data, at + i, 1)
                  : nibble(Little(data, at + i / 2, 1), i));
      }
      at += padded;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Header> ReadBmpHeader(absl::string_view file) {
  const absl::StatusOr<Bmp> bmp = Parse(file);
  if (!bmp.ok()) return bmp.status();
  Header header;
  header.format = Format::kBmp;
  header.width = static_cast<int>(bmp->width);
  header.height = static_cast<int>(bmp->height);
  header.resolution = bmp->resolution;
  header.working_bytes = 4096;  // the palette
  return header;
}

absl::Status ReadBmp(absl::string_view file, Picture& picture) {
  const absl::StatusOr<Bmp> bmp = Parse(file);
  if (!bmp.ok()) return bmp.status();
  if (bmp->pixels > file.size()) return EndsEarly("BMP");
  const absl::string_view data = file.substr(bmp->pixels);
  const Palette palette(file, *bmp);
  if (bmp->compression == kRuns8 || bmp->compression == kRuns4) {
    return ReadRuns(data, *bmp, palette, picture);
  }
  if (data.size() / bmp->RowBytes() < static_cast<size_t>(picture.height)) {
    return EndsEarly("BMP");
  }
  if (bmp->bits > 8) {
    ReadDirect(data, *bmp, picture);
  } else {
    ReadIndexed(data, *bmp, palette, picture);
  }
  return absl::OkStatus();
}

}  // namespace ocr
