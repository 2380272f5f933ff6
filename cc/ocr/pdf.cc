#include "cc/ocr/pdf.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cc/base/text.h"
#include "cc/ocr/invisible_font.inc"
#include "cc/ocr/picture/pack.h"

namespace ocr {
namespace {

constexpr double kPoints = 72;  // an inch; what PDF measures in

// Of a file without a resolution, or with one that no scanner or camera means.
constexpr double kResolution = 96;
constexpr double kLeastResolution = 30, kMostResolution = 4800;

// What readers bear of a page's sides (ISO 32000-1, annex C).
constexpr double kLeastSide = 3, kMostSide = 14400;

// The table of objects has ten digits for each.
constexpr int64_t kMostBytes = 9'999'999'999;
// Codes are of two bytes, and 0 is what a font has not.
constexpr size_t kMostCharacters = 0xffff;

enum Object {
  kCatalog = 1,
  kPages,
  kFont,
  kCidFont,
  kDescriptor,
  kFontFile,
  kUnicode,
  kGlyphs,
  kFirstPage,
};
enum OfPage { kPage, kContent, kPicture, kObjectsOfPage };

// The font's, in thousandths of its size; as invisible_font.py has them.
constexpr int kNarrow = 500, kWide = 1000;
constexpr double kDescent = 0.2;

// As broad as high where it is printed: East Asian Width W and F, but for some
// signs. It only says where in a line a character is.
bool IsWide(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kWideRanges[] = {
      {0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
      {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff01, 0xff60},
      {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
  return std::any_of(
      std::begin(kWideRanges), std::end(kWideRanges),
      [c](const auto& range) { return range.first <= c && c <= range.second; });
}

int WidthOf(char32_t c) { return IsWide(c) ? kWide : kNarrow; }

// Of UTF-8, which labels are.
std::vector<char32_t> CodePoints(absl::string_view text) {
  std::vector<char32_t> points;
  while (!text.empty()) {
    const size_t size = std::max<size_t>(1, base::Utf8SequenceLength(text));
    constexpr unsigned kOfLead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    char32_t point = static_cast<unsigned char>(text[0]) & kOfLead[size];
    for (size_t i = 1; i < size; ++i) {
      point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3f);
    }
    points.push_back(point);
    text.remove_prefix(size);
  }
  return points;
}

std::string Utf16(char32_t point) {
  if (point < 0x10000) return absl::StrFormat("%04X", uint32_t{point});
  const uint32_t rest = point - 0x10000;
  return absl::StrFormat("%04X%04X", 0xd800 + (rest >> 10),
                         0xdc00 + (rest & 0x3ff));
}

std::string Stream(absl::string_view entries, absl::string_view data) {
  return absl::StrCat("<< ", entries, " /Length ", data.size(), " >>\nstream\n",
                      data, "\nendstream");
}

std::string Compressed(absl::string_view data) {
  uLongf size = compressBound(data.size());
  std::string compressed(size, '\0');
  // It fails where the buffer is too small alone.
  compress(reinterpret_cast<Bytef*>(compressed.data()), &size,
           reinterpret_cast<const Bytef*>(data.data()), data.size());
  compressed.resize(size);
  return Stream("/Filter /FlateDecode", compressed);
}

std::string PictureObject(const PackedPicture& picture) {
  std::string colours = picture.channels == 1 ? "/DeviceGray" : "/DeviceRGB";
  if (!picture.palette.empty()) {
    colours =
        absl::StrCat("[/Indexed /DeviceRGB ", picture.palette.size() / 3 - 1,
                     " <", absl::BytesToHexString(picture.palette), ">]");
  }
  const bool jpeg = picture.coding == PackedPicture::Coding::kJpeg;
  const std::string filter =
      jpeg ? "/DCTDecode"
           : absl::StrFormat(
                 "/FlateDecode /DecodeParms << /Predictor 15 /Colors %d "
                 "/BitsPerComponent %d /Columns %d >>",
                 picture.channels, picture.bits, picture.width);
  return Stream(
      absl::StrFormat("/Type /XObject /Subtype /Image /Width %d /Height %d "
                      "/ColorSpace %s /BitsPerComponent %d /Filter %s",
                      picture.width, picture.height, colours, picture.bits,
                      filter),
      picture.data);
}

// What puts a picture, the unit square, upright on a page of this size.
std::string Placed(int orientation, double width, double height) {
  struct Turn {
    int a, b, c, d, e, f;  // of the width: a, c, e; of the height: b, d, f
  };
  constexpr Turn kTurns[] = {{1, 0, 0, 1, 0, 0},   {-1, 0, 0, 1, 1, 0},
                             {-1, 0, 0, -1, 1, 1}, {1, 0, 0, -1, 0, 1},
                             {0, -1, -1, 0, 1, 1}, {0, -1, 1, 0, 0, 1},
                             {0, 1, 1, 0, 0, 0},   {0, 1, -1, 0, 1, 0}};
  const Turn& turn = kTurns[orientation - 1];
  return absl::StrFormat("%.4f %.4f %.4f %.4f %.4f %.4f cm", turn.a * width,
                         turn.b * height, turn.c * width, turn.d * height,
                         turn.e * width, turn.f * height);
}

// Points for each of the picture's pixels, as it is seen.
std::array<double, 2> PointsPerPixel(const Header& header, const Size& seen) {
  const auto credible = [](double dots) {
    return dots >= kLeastResolution && dots <= kMostResolution;
  };
  double across = header.resolution.across, down = header.resolution.down;
  if (!credible(across) || !credible(down)) across = down = kResolution;
  if (header.lies_on_a_side()) std::swap(across, down);
  across = kPoints / across;
  down = kPoints / down;
  const double width = across * seen.width, height = down * seen.height;
  double scale = std::max(1., kLeastSide / std::min(width, height));
  scale = std::min(scale, kMostSide / std::max(width, height));
  return {across * scale, down * scale};
}

// Character codes to Unicode, as Adobe's technical note 5411 has it.
std::string UnicodeMap(const std::vector<char32_t>& characters) {
  std::string map =
      "/CIDInit /ProcSet findresource begin\n"
      "12 dict begin\nbegincmap\n"
      "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> "
      "def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
      "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n";
  constexpr size_t kOfSection = 100;
  for (size_t i = 0; i < characters.size(); i += kOfSection) {
    const size_t end = std::min(i + kOfSection, characters.size());
    absl::StrAppend(&map, end - i, " beginbfchar\n");
    for (size_t at = i; at < end; ++at) {
      absl::StrAppendFormat(&map, "<%04X> <%s>\n", at + 1,
                            Utf16(characters[at]));
    }
    map += "endbfchar\n";
  }
  return map +
         "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n";
}

}  // namespace

void Pdf::AppendObject(int number, absl::string_view body, std::string* out) {
  const auto at = static_cast<size_t>(number);
  if (offsets_.size() <= at) offsets_.resize(at + 1);
  offsets_[at] = size_ + static_cast<int64_t>(out->size());
  absl::StrAppend(out, number, " 0 obj\n", body, "\nendobj\n");
}

absl::StatusOr<std::string> Pdf::ShownLine(const TextLine& line,
                                           const Page& page, double across,
                                           double down) {
  std::string codes;
  double width = 0;  // of the font's size
  for (const char32_t point : CodePoints(line.text)) {
    if (codes_.size() == kMostCharacters && codes_.count(point) == 0) {
      return absl::OutOfRangeError(
          "a PDF has at most 65,535 different characters; make one of fewer "
          "files");
    }
    const auto [code, is_new] =
        codes_.try_emplace(point, static_cast<int>(codes_.size()) + 1);
    if (is_new) characters_.push_back(point);
    absl::StrAppendFormat(&codes, "%04X", code->second);
    width += WidthOf(point) / 1000.;
  }
  if (codes.empty()) return codes;
  // Corners from where the text begins clockwise. PDF counts from the bottom.
  struct Corner {
    double x, y;
  };
  std::array<Corner, 4> corners;
  const auto box = OnOriginal(line.box, page);
  for (size_t i = 0; i < corners.size(); ++i) {
    const PagePoint& point = box[(line.begins + i) % corners.size()];
    corners[i] = {point.x * across, (page.original.height - point.y) * down};
  }
  const auto [first, second, third, fourth] = corners;
  const double x = (second.x - first.x + third.x - fourth.x) / 2;
  const double y = (second.y - first.y + third.y - fourth.y) / 2;
  // A box may lie on the picture's edge, without an area.
  constexpr double kLeast = 0.01;
  const double length = std::hypot(x, y);
  const double cosine = length < kLeast ? 1 : x / length;
  const double sine = length < kLeast ? 0 : y / length;
  const double size =
      std::max(kLeast, (std::hypot(fourth.x - first.x, fourth.y - first.y) +
                        std::hypot(third.x - second.x, third.y - second.y)) /
                           2);
  return absl::StrFormat(
      "/F %.3f Tf %.3f Tz %.6f %.6f %.6f %.6f %.3f %.3f Tm <%s> Tj\n", size,
      100 * std::max(length, kLeast) / (width * size), cosine, sine, -sine,
      cosine, fourth.x - kDescent * size * sine,
      fourth.y + kDescent * size * cosine, codes);
}

absl::StatusOr<std::string> Pdf::AddPage(absl::string_view file,
                                         const Page& page,
                                         const std::vector<TextLine>& lines,
                                         const PageOptions& options) {
  const auto header = ReadHeader(file, options.limits);
  if (!header.ok()) return header.status();
  const auto picture = Pack(file, options.limits);
  if (!picture.ok()) return picture.status();
  const auto [across, down] = PointsPerPixel(*header, page.original);
  const double width = across * page.original.width;
  const double height = down * page.original.height;
  std::string content =
      absl::StrCat("q ", Placed(picture->orientation, width, height),
                   " /P Do Q\nBT 3 Tr\n");  // 3: neither filled nor stroked
  const size_t known = characters_.size();
  const auto refused = [&](absl::Status status) {
    // Its characters are no other page's matter.
    for (size_t i = known; i < characters_.size(); ++i) {
      codes_.erase(characters_[i]);
    }
    characters_.resize(known);
    return status;
  };
  for (const TextLine& line : lines) {
    if (line.score < options.score) continue;
    const auto shown = ShownLine(line, page, across, down);
    if (!shown.ok()) return refused(shown.status());
    content += *shown;
  }
  content += "ET\n";
  // Besides there are, once, the font and the table of objects.
  constexpr int64_t kBesides = 100 << 20;
  const auto own = static_cast<int64_t>(picture->data.size() + content.size());
  if (size_ + own + kBesides > kMostBytes) {
    return refused(absl::OutOfRangeError(
        "a PDF has at most 10 GB; make one of fewer files"));
  }
  // The second line tells programs that look for text that this is none.
  std::string out = pages_ == 0 ? "%PDF-1.5\n%\xe2\xe3\xcf\xd3\n" : "";
  const int first = kFirstPage + pages_ * kObjectsOfPage;
  AppendObject(
      first + kPage,
      absl::StrFormat("<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %.4f %.4f] "
                      "/Contents %d 0 R /Resources << /Font << /F %d 0 R >> "
                      "/XObject << /P %d 0 R >> >> >>",
                      kPages, width, height, first + kContent, kFont,
                      first + kPicture),
      &out);
  AppendObject(first + kContent, Compressed(content), &out);
  AppendObject(first + kPicture, PictureObject(*picture), &out);
  ++pages_;
  size_ += static_cast<int64_t>(out.size());
  return out;
}

std::string Pdf::End() {
  if (pages_ == 0) return "";
  std::string out, kids, widths, glyphs(2, '\0');
  for (int i = 0; i < pages_; ++i) {
    absl::StrAppend(&kids, kFirstPage + i * kObjectsOfPage, " 0 R ");
  }
  for (const char32_t c : characters_) {
    absl::StrAppend(&widths, WidthOf(c), " ");
    glyphs += {'\0', IsWide(c) ? '\2' : '\1'};
  }
  const absl::string_view font(reinterpret_cast<const char*>(kInvisibleFont),
                               sizeof(kInvisibleFont));
  AppendObject(kCatalog,
               absl::StrFormat("<< /Type /Catalog /Pages %d 0 R >>", kPages),
               &out);
  AppendObject(
      kPages,
      absl::StrFormat("<< /Type /Pages /Kids [%s] /Count %d >>", kids, pages_),
      &out);
  AppendObject(kFont,
               absl::StrFormat("<< /Type /Font /Subtype /Type0 /BaseFont "
                               "/Invisible /Encoding /Identity-H "
                               "/DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>",
                               kCidFont, kUnicode),
               &out);
  AppendObject(
      kCidFont,
      absl::StrFormat("<< /Type /Font /Subtype /CIDFontType2 /BaseFont "
                      "/Invisible /CIDSystemInfo << /Registry (Adobe) "
                      "/Ordering (Identity) /Supplement 0 >> /FontDescriptor "
                      "%d 0 R /CIDToGIDMap %d 0 R /W [1 [%s]] >>",
                      kDescriptor, kGlyphs, widths),
      &out);
  AppendObject(kDescriptor,
               absl::StrFormat("<< /Type /FontDescriptor /FontName /Invisible "
                               "/Flags 4 /FontBBox [0 -200 1000 800] "
                               "/ItalicAngle 0 /Ascent 800 /Descent -200 "
                               "/CapHeight 800 /StemV 80 /FontFile2 %d 0 R >>",
                               kFontFile),
               &out);
  AppendObject(kFontFile, Stream(absl::StrCat("/Length1 ", font.size()), font),
               &out);
  AppendObject(kUnicode, Compressed(UnicodeMap(characters_)), &out);
  AppendObject(kGlyphs, Compressed(glyphs), &out);
  const int64_t table = size_ + static_cast<int64_t>(out.size());
  absl::StrAppend(&out, "xref\n0 ", offsets_.size(), "\n0000000000 65535 f \n");
  for (size_t i = 1; i < offsets_.size(); ++i) {
    absl::StrAppendFormat(&out, "%010d 00000 n \n", offsets_[i]);
  }
  absl::StrAppend(&out, "trailer\n<< /Size ", offsets_.size(), " /Root ",
                  static_cast<int>(kCatalog), " 0 R >>\nstartxref\n", table,
                  "\n%%EOF\n");
  return out;
}

}  // namespace ocr
