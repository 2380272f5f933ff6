// What other programs find in such files: //cc/server:ocr_pdf_test.
#include "cc/ocr/pdf.h"

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "cc/base/byte_budget.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

std::string Number(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

// A BMP of nothing but black.
std::string Black(uint32_t width, uint32_t height, uint32_t per_metre = 0) {
  const uint32_t size = (width * 3 + 3) / 4 * 4 * height;
  return "BM" + Number(54 + size, 4) + Number(0, 4) + Number(54, 4) +
         Number(40, 4) + Number(width, 4) + Number(height, 4) + Number(1, 2) +
         Number(24, 2) + Number(0, 8) + Number(per_metre, 4) +
         Number(per_metre, 4) + Number(0, 8) + std::string(size, '\0');
}

class PdfTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> Add(const std::string& file,
                                  const std::vector<TextLine>& lines = {}) {
    base::ByteBudget budget(size_t{1} << 30);
    const auto page = Open(file, {}, &budget);
    if (!page.ok()) return page.status();
    return pdf_.AddPage(file, *page, lines, {});
  }

  Pdf pdf_;
};

TextLine Line(const std::string& text,
              Box box = {{{{10, 10}, {90, 10}, {90, 30}, {10, 30}}}, 1}) {
  TextLine line;
  line.box = box;
  line.text = text;
  line.score = 1;
  return line;
}

// The compressed stream of an object.
std::string Inflated(absl::string_view pdf, int object) {
  const size_t at = pdf.find(absl::StrCat("\n", object, " 0 obj"));
  const size_t begin = pdf.find("stream\n", at) + 7;
  const size_t end = pdf.find("\nendstream", begin);
  std::string text(1 << 20, '\0');
  uLongf size = text.size();
  EXPECT_EQ(uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                       reinterpret_cast<const Bytef*>(pdf.data() + begin),
                       end - begin),
            Z_OK);
  text.resize(size);
  return text;
}

constexpr int kUnicode = 7, kContent = 10;

TEST_F(PdfTest, WithoutAPageThereIsNothing) {
  EXPECT_FALSE(Add("no picture").ok());
  EXPECT_EQ(pdf_.End(), "");
}

TEST_F(PdfTest, EveryObjectIsWhereTheTableSays) {
  std::string pdf;
  for (int i = 0; i < 3; ++i) pdf += *Add(Black(100, 40), {Line("a")});
  pdf += pdf_.End();
  const size_t table = pdf.rfind("\nxref\n") + 1;
  EXPECT_TRUE(
      absl::EndsWith(pdf, absl::StrCat("\nstartxref\n", table, "\n%%EOF\n")));
  const std::vector<std::string> lines =
      absl::StrSplit(pdf.substr(table), '\n');
  const int objects = 8 + 3 * 3;
  EXPECT_EQ(lines[1], absl::StrCat("0 ", objects + 1));
  for (int i = 1; i <= objects; ++i) {
    int64_t at = 0;
    ASSERT_TRUE(absl::SimpleAtoi(lines[2 + i].substr(0, 10), &at));
    EXPECT_EQ(lines[2 + i], absl::StrFormat("%010d 00000 n ", at));
    EXPECT_TRUE(absl::StartsWith(pdf.substr(at), absl::StrCat(i, " 0 obj\n")));
  }
}

TEST_F(PdfTest, EveryCharacterHasACodeOfItsOwn) {
  // 2,000 of Chinese, one beyond 16 bits, one that is there twice.
  std::string text;
  for (uint32_t c = 0x4e00; c < 0x4e00 + 2000; ++c) {
    text += {static_cast<char>(0xe0 | c >> 12),
             static_cast<char>(0x80 | (c >> 6 & 0x3f)),
             static_cast<char>(0x80 | (c & 0x3f))};
  }
  std::string pdf = *Add(Black(100, 40), {Line(text), Line("𠀀一é")});
  pdf += pdf_.End();
  EXPECT_TRUE(absl::StrContains(Inflated(pdf, kContent), "<07D1000107D2> Tj"));
  const std::string map = Inflated(pdf, kUnicode);
  EXPECT_TRUE(absl::StrContains(map, "<0001> <4E00>\n<0002> <4E01>\n"));
  EXPECT_TRUE(absl::StrContains(map, "<07D1> <D840DC00>\n<07D2> <00E9>\n"));
  EXPECT_TRUE(absl::StrContains(map, "\n2 beginbfchar\n<07D1>"));
  EXPECT_FALSE(absl::StrContains(map, "101 beginbfchar"));
}

TEST_F(PdfTest, MoreCharactersThanCodesAreRefusedAndOtherPagesGoOn) {
  std::string text;
  for (uint32_t c = 0x10000; c < 0x10000 + 0x10000; ++c) {
    text += {'\xf0', static_cast<char>(0x80 | (c >> 12 & 0x3f)),
             static_cast<char>(0x80 | (c >> 6 & 0x3f)),
             static_cast<char>(0x80 | (c & 0x3f))};
  }
  const absl::Status status = Add(Black(100, 40), {Line(text)}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(absl::StrContains(status.message(), "65,535 different"));
  // Also with characters that it has not met.
  EXPECT_TRUE(Add(Black(100, 40), {Line("abc")}).ok());
  EXPECT_TRUE(absl::StrContains(pdf_.End(), "/Count 1 "));
}

TEST_F(PdfTest, ALineIsStretchedOverItsBoxFromWhereItsTextBegins) {
  // At 96 dots per inch: 80 x 20 pixels are 60 x 15 points; "ab" is as broad
  // as high.
  TextLine line = Line("ab");
  line.begins = 0;
  TextLine turned = Line("ab");
  turned.begins = 2;
  std::string pdf = *Add(Black(100, 40), {line, turned});
  pdf += pdf_.End();
  const std::string content = Inflated(pdf, kContent);
  EXPECT_TRUE(absl::StrContains(
      content,
      "/F 15.000 Tf 400.000 Tz 1.000000 0.000000 -0.000000 1.000000 "
      "7.500 10.500 Tm"))
      << content;
  EXPECT_TRUE(absl::StrContains(
      content,
      "/F 15.000 Tf 400.000 Tz -1.000000 0.000000 -0.000000 -1.000000 "
      "67.500 19.500 Tm"))
      << content;
}

TEST_F(PdfTest, LinesWithoutTextOrScoreAreLeftOut) {
  TextLine unsure = Line("unsure");
  unsure.score = 0.4;
  std::string pdf = *Add(Black(100, 40), {unsure, Line("")});
  pdf += pdf_.End();
  EXPECT_TRUE(absl::EndsWith(Inflated(pdf, kContent), "BT 3 Tr\nET\n"));
}

TEST_F(PdfTest, ALineWithoutAnAreaIsThereAllTheSame) {
  const Box none = {{{{5, 5}, {5, 5}, {5, 5}, {5, 5}}}, 1};
  std::string pdf = *Add(Black(100, 40), {Line("a", none)});
  pdf += pdf_.End();
  EXPECT_TRUE(absl::StrContains(Inflated(pdf, kContent), "/F 0.010 Tf"));
}

TEST_F(PdfTest, PagesHaveSidesThatReadersBear) {
  const auto box = [this](const std::string& file) {
    const std::string page = *Add(file);
    const size_t at = page.find("/MediaBox [0 0 ") + 15;
    return page.substr(at, page.find(']', at) - at);
  };
  EXPECT_EQ(box(Black(200, 100)), "150.0000 75.0000");
  EXPECT_EQ(box(Black(200, 100, 20000)), "28.3465 14.1732");  // 508 an inch
  EXPECT_EQ(box(Black(200, 100, 100)), "150.0000 75.0000");   // 2.54
  EXPECT_EQ(box(Black(1, 1)), "3.0000 3.0000");
  EXPECT_EQ(box(Black(200, 1)), "600.0000 3.0000");
  EXPECT_EQ(box(Black(30000, 150)), "14400.0000 72.0000");
}

}  // namespace
}  // namespace ocr
