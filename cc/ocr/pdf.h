// Pictures with what was read on them as a PDF that can be searched.
#ifndef CC_OCR_PDF_H_
#define CC_OCR_PDF_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/page.h"

namespace ocr {

// Pages of pictures, each as it lies in its file where PDF can hold that
// (picture/pack.h), and its text over it, unseen: each line stretched over its
// box, so that a reader finds, marks and copies it there. What is written
// depends on nothing but files, lines and their order.
//
//   for (...) out << *pdf.AddPage(...);
//   out << pdf.End();
class Pdf {
 public:
  // The bytes of a page, which go behind those before. `file` is a picture that
  // Open() has taken. After an error other pages may follow.
  absl::StatusOr<std::string> AddPage(absl::string_view file, const Page& page,
                                      const std::vector<TextLine>& lines,
                                      const PageOptions& options);
  // The bytes behind the last page; none where there is no page.
  std::string End();

 private:
  absl::StatusOr<std::string> ShownLine(const TextLine& line, const Page& page,
                                        double across, double down);
  void AppendObject(int number, absl::string_view body, std::string* out);

  int64_t size_ = 0;                  // of what was given away
  std::vector<int64_t> offsets_;      // of objects, by their numbers
  std::vector<char32_t> characters_;  // by their codes in the font, less one
  std::map<char32_t, int> codes_;
  int pages_ = 0;
};

}  // namespace ocr

#endif  // CC_OCR_PDF_H_
