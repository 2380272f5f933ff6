#include "cc/ocr/text/lines.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cc/ocr/text/planes.h"

namespace ocr {
namespace {

double Ratio(const Size& crop) {
  return crop.width / static_cast<double>(crop.height);
}

}  // namespace

int LineWidth(const Size& crop, int most) {
  return static_cast<int>(std::min(std::ceil(kLineHeight * Ratio(crop)),
                                   static_cast<double>(most)));
}

int PaddedWidth(const Size& crop, const WidthOptions& options) {
  const int width = std::max(LineWidth(crop, options.most), options.least);
  return std::min((width + options.step - 1) / options.step * options.step,
                  options.most);
}

std::vector<LineBatch> PageBatches(const std::vector<Size>& crops, size_t batch,
                                   int most) {
  std::vector<size_t> order(crops.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return Ratio(crops[a]) < Ratio(crops[b]);
  });
  std::vector<LineBatch> batches;
  for (size_t first = 0; first < order.size(); first += batch) {
    const size_t end = std::min(order.size(), first + batch);
    LineBatch lines;
    lines.lines.assign(order.begin() + static_cast<ptrdiff_t>(first),
                       order.begin() + static_cast<ptrdiff_t>(end));
    double ratio = 320. / kLineHeight;
    for (const size_t i : lines.lines) ratio = std::max(ratio, Ratio(crops[i]));
    lines.width = static_cast<int>(
        std::min(kLineHeight * ratio, static_cast<double>(most)));
    batches.push_back(std::move(lines));
  }
  return batches;
}

void FillLine(const uint8_t* pixels, int width, int padded, float* input) {
  FillPlanes(pixels, width, kLineHeight, padded, input, [](int value) {
    return (static_cast<float>(value) / 255.f - 0.5f) / 0.5f;
  });
}

}  // namespace ocr
