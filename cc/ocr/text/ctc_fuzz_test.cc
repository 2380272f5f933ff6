// A dictionary (up to a zero byte), and probabilities for its classes.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/refusal_check.h"
#include "cc/base/text.h"
#include "cc/ocr/text/ctc.h"
#include "cc/ocr/text/labels.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = fuzz::Text(data, size);
  const absl::string_view text = input.substr(0, input.find('\0'));
  const absl::StatusOr<ocr::Labels> labels =
      ocr::Labels::Parse(text, "characters.txt");
  if (!labels.ok()) {
    base::CheckRefusal(labels.status(), {absl::StatusCode::kInvalidArgument});
    return 0;
  }
  std::vector<float> values((input.size() - text.size()) / sizeof(float));
  const int steps = static_cast<int>(values.size() / labels->classes());
  if (steps == 0) return 0;
  std::memcpy(values.data(), input.data() + text.size(),
              values.size() * sizeof(float));
  const ocr::Line line = ocr::DecodeCtc(
      values.data(), ocr::KindOf(values.data(), labels->classes()), steps,
      labels->classes(), *labels);
  fuzz::Check(base::IsUtf8(line.text), "it is text", line.text);
  fuzz::Check(line.characters.size() <= static_cast<size_t>(steps),
              "a step has one character at most");
  int before = -1;
  for (const ocr::Character& c : line.characters) {
    fuzz::Check(c.step > before && c.step < steps && c.label > 0 &&
                    c.label < labels->classes(),
                "characters are one after the other");
    before = c.step;
  }
  constexpr int kWidth = 100;
  const std::vector<ocr::Extent> extents =
      ocr::Extents(line, *labels, steps, 1, kWidth);
  fuzz::Check(extents.size() == line.characters.size(), "each has a place");
  for (const ocr::Extent& extent : extents) {
    fuzz::Check(extent.left >= 0 && extent.right <= kWidth,
                "places are on the line");
  }
  return 0;
}
