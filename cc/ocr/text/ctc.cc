#include "cc/ocr/text/ctc.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/string_view.h"

namespace ocr {
namespace {

// The first of the greatest; 0 if all are NaN.
size_t Greatest(const float* values, size_t count) {
  constexpr float kLeast = -std::numeric_limits<float>::infinity();
  // Sixteen at a time, which compilers make vectors of; then where it is.
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(kLeast);
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = values[i + lane];
      lanes[lane] = value > lanes[lane] ? value : lanes[lane];
    }
  }
  float greatest = kLeast;
  for (const float value : lanes) greatest = std::max(greatest, value);
  for (; i < count; ++i) {
    greatest = values[i] > greatest ? values[i] : greatest;
  }
  for (i = 0; i < count; ++i) {
    if (values[i] == greatest) return i;
  }
  return 0;
}

// The probability of the class with the greatest logit.
float Softmax(const float* logits, size_t classes, size_t greatest) {
  double sum = 0;
  for (size_t i = 0; i < classes; ++i) {
    const auto over = static_cast<double>(logits[i] - logits[greatest]);
    if (over <= 0) sum += std::exp(over);  // not NaN
  }
  return static_cast<float>(1 / std::max(sum, 1.));  // infinity is none
}

// U+4E00 to U+9FFF, CJK Unified Ideographs.
bool IsChinese(absl::string_view text) {
  if (text.size() < 3) return false;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  if ((byte(0) & 0xf0) != 0xe0) return false;
  const int code =
      (byte(0) & 0xf) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
  return code >= 0x4e00 && code <= 0x9fff;
}

}  // namespace

Scores KindOf(const float* row, size_t classes) {
  double sum = 0;
  for (size_t i = 0; i < classes; ++i) {
    if (row[i] < 0) return Scores::kLogits;
    sum += static_cast<double>(row[i]);
  }
  // Float probabilities of thousands of classes are as near as that to 1.
  return std::abs(sum - 1) <= 0.01 ? Scores::kProbabilities : Scores::kLogits;
}

Line DecodeCtc(const float* scores, Scores kind, int steps, size_t classes,
               const Labels& labels) {
  Line line;
  size_t before = 0;
  double sum = 0;
  for (int step = 0; step < steps; ++step) {
    const float* row = scores + static_cast<size_t>(step) * classes;
    const size_t label = Greatest(row, classes);
    if (label != 0 && (label != before || step == 0)) {
      const absl::string_view text = labels.text(label);
      line.text.append(text.data(), text.size());
      const float score = kind == Scores::kProbabilities
                              ? row[label]
                              : Softmax(row, classes, label);
      line.characters.push_back({label, step, score});
      sum += static_cast<double>(score);
    }
    before = label;
  }
  if (!line.characters.empty()) {
    line.score = sum / static_cast<double>(line.characters.size());
  }
  return line;
}

std::vector<Extent> Extents(const Line& line, const Labels& labels, int steps,
                            double used, int width) {
  // A step further from the one before begins another run.
  constexpr int kFar = 4;
  const size_t count = line.characters.size();
  std::vector<Extent> extents(count);
  if (count == 0 || steps <= 0 || !(used > 0)) return extents;
  const double step_width = width / (steps * used);
  std::vector<bool> chinese(count);
  for (size_t i = 0; i < count; ++i) {
    chinese[i] = IsChinese(labels.text(line.characters[i].label));
  }
  // The mean over runs of each kind.
  std::array<double, 2> sums = {}, runs = {};
  for (size_t first = 0, next; first < count; first = next) {
    next = first + 1;
    while (next < count && chinese[next] == chinese[first] &&
           line.characters[next].step - line.characters[next - 1].step <=
               kFar) {
      ++next;
    }
    const size_t gaps = next - 1 - first;
    if (gaps == 0) continue;
    sums[chinese[first]] +=
        (line.characters[next - 1].step - line.characters[first].step) *
        step_width / static_cast<double>(gaps);
    ++runs[chinese[first]];
  }
  for (size_t i = 0; i < count; ++i) {
    const double middle = (line.characters[i].step + 0.5) * step_width;
    const double broad = runs[chinese[i]] > 0
                             ? sums[chinese[i]] / runs[chinese[i]]
                             : width / static_cast<double>(count);
    extents[i].left = std::max(std::trunc(middle - broad / 2), 0.);
    extents[i].right =
        std::min(std::trunc(middle + broad / 2), static_cast<double>(width));
  }
  std::stable_sort(
      extents.begin(), extents.end(),
      [](const Extent& a, const Extent& b) { return a.left < b.left; });
  for (size_t i = 1; i < count; ++i) {
    const double over = extents[i - 1].right - extents[i].left;
    if (over > 0) {
      extents[i - 1].right -= over / 2;
      extents[i].left += over / 2;
    }
  }
  return extents;
}

}  // namespace ocr
