// A picture with what was read on it, for people.
#ifndef CC_OCR_SVG_H_
#define CC_OCR_SVG_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cc/ocr/page.h"

namespace ocr {

// SVG with the file's picture in it, a frame around each line, and its text
// beside the page. `file` is a picture that Open() has taken.
std::string PageSvg(absl::string_view file, const Page& page,
                    const std::vector<TextLine>& lines,
                    const PageOptions& options);

}  // namespace ocr

#endif  // CC_OCR_SVG_H_
