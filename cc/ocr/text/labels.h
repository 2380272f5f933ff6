// The characters that a recogniser knows: the file characters.txt beside the
// model (docs/models.md), a character a line.
#ifndef CC_OCR_TEXT_LABELS_H_
#define CC_OCR_TEXT_LABELS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ocr {

class Labels {
 public:
  // Of the text of a file. INVALID_ARGUMENT with a sentence: `name` is the
  // file's.
  static absl::StatusOr<Labels> Parse(absl::string_view text,
                                      absl::string_view name);
  // Of a file; also NOT_FOUND and what else reading it may give.
  static absl::StatusOr<Labels> Read(const std::string& path);

  // Classes of the recogniser: none, the file's characters, a space.
  size_t classes() const { return begins_.size() - 1; }

  // The text of a class, of those below classes().
  absl::string_view text(size_t label) const {
    return absl::string_view(text_).substr(begins_[label],
                                           begins_[label + 1] - begins_[label]);
  }

  // FAILED_PRECONDITION, with a sentence, where a model has other classes;
  // without the space it has one less.
  absl::Status Check(int64_t classes) const;

 private:
  Labels() = default;

  std::string name_;
  std::string text_;  // of all classes, one after the other
  std::vector<size_t> begins_;
};

}  // namespace ocr

#endif  // CC_OCR_TEXT_LABELS_H_
