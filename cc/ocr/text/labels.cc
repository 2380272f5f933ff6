#include "cc/ocr/text/labels.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cc/base/read_file.h"
#include "cc/base/text.h"

namespace ocr {
namespace {

// PP-OCRv5's 18,383 characters take 73 KB.
constexpr size_t kMostBytes = 16 << 20;

}  // namespace

absl::StatusOr<Labels> Labels::Parse(absl::string_view text,
                                     absl::string_view name) {
  const auto error = [&](size_t line, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, line > 0 ? absl::StrCat(", line ", line) : "", ": ", what,
        "; the characters of a recogniser are a file of UTF-8 with one on each "
        "line, in the order of the model's classes"));
  };
  if (text.size() > kMostBytes) return error(0, "more than 16 MiB");
  Labels labels;
  labels.name_ = std::string(name);
  labels.begins_ = {0, 0};
  size_t line = 0;
  while (!text.empty()) {
    ++line;
    const size_t end = text.find('\n');
    absl::string_view character = text.substr(0, end);
    text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
    absl::ConsumeSuffix(&character, "\r");
    if (character.empty()) return error(line, "is empty");
    if (!base::IsUtf8(character)) return error(line, "is not UTF-8");
    labels.text_.append(character.data(), character.size());
    labels.begins_.push_back(labels.text_.size());
  }
  if (line == 0) return error(0, "is empty");
  labels.text_ += ' ';
  labels.begins_.push_back(labels.text_.size());
  return labels;
}

absl::StatusOr<Labels> Labels::Read(const std::string& path) {
  const auto text = base::ReadFile(path, kMostBytes);
  if (!text.ok()) {
    return absl::Status(
        text.status().code(),
        absl::StrCat(text.status().message(),
                     "; a recogniser needs it beside its model"));
  }
  return Parse(*text, path);
}

absl::Status Labels::Check(int64_t classes) const {
  const auto all = static_cast<int64_t>(this->classes());
  if (classes == all || classes == all - 1) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      name_, " has ", this->classes() - 2, " characters, for a model of ", all,
      " classes (none, these, a space), or one less without the space, but "
      "the model has ",
      classes, ": it is another model's"));
}

}  // namespace ocr
