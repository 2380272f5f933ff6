#include "cc/ocr/svg.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace ocr {
namespace {

const char* MediaType(Format format) {
  switch (format) {
    case Format::kJpeg:
      return "image/jpeg";
    case Format::kPng:
      return "image/png";
    case Format::kBmp:
      return "image/bmp";
    case Format::kWebp:
      return "image/webp";
  }
  return "";
}

std::string Escaped(absl::string_view text) {
  std::string escaped =
      absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
  // XML has no other control characters than these three.
  escaped.erase(std::remove_if(escaped.begin(), escaped.end(),
                               [](unsigned char c) {
                                 return c < 0x20 && c != '\t' && c != '\n' &&
                                        c != '\r';
                               }),
                escaped.end());
  return escaped;
}

}  // namespace

std::string PageSvg(absl::string_view file, const Page& page,
                    const std::vector<TextLine>& lines,
                    const PageOptions& options) {
  const auto header = ReadHeader(file, options.limits);
  const int width = page.original.width, height = page.original.height;
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\">\n"
      "<image width=\"%d\" height=\"%d\" href=\"data:%s;base64,%s\"/>\n"
      "<g fill=\"none\" stroke=\"#d6336c\" stroke-width=\"%d\">\n",
      2 * width, height, width, height,
      header.ok() ? MediaType(header->format) : "", absl::Base64Escape(file),
      std::max(1, std::max(width, height) / 500));
  std::string texts;
  for (const TextLine& line : lines) {
    if (line.score < options.score) continue;
    svg += "<polygon points=\"";
    float top = static_cast<float>(height), bottom = 0,
          left = static_cast<float>(width);
    for (const PagePoint& point : OnOriginal(line.box, page)) {
      absl::StrAppend(&svg, point.x, ",", point.y, " ");
      top = std::min(top, point.y);
      bottom = std::max(bottom, point.y);
      left = std::min(left, point.x);
    }
    svg += "\"/>\n";
    absl::StrAppendFormat(
        &texts, "<text x=\"%g\" y=\"%g\" font-size=\"%g\">%s</text>\n",
        static_cast<float>(width) + left, top + (bottom - top) * 0.8f,
        std::max(1.f, std::min((bottom - top) * 0.75f,
                               static_cast<float>(height) / 10)),
        Escaped(line.text));
  }
  absl::StrAppend(&svg, "</g>\n<g font-family=\"sans-serif\">\n", texts,
                  "</g>\n</svg>\n");
  return svg;
}

}  // namespace ocr
