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

int LineWidth(const Size& crop, int most, int height) {
  return static_cast<int>(
      std::min(std::ceil(height * Ratio(crop)), static_cast<double>(most)));
}

int PaddedWidth(const Size& crop, const WidthOptions& options) {
  const int width = std::max(LineWidth(crop, options.most), options.least);
  return std::min((width + options.step - 1) / options.step * options.step,
                  options.most);
}

std::vector<LineBatch> PageBatches(const std::vector<Size>& crops, size_t batch,
                                   int most, int height) {
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
    lines.width =
        static_cast<int>(std::min(height * ratio, static_cast<double>(most)));
    batches.push_back(std::move(lines));
  }
  return batches;
}

void FillLine(const uint8_t* pixels, int width, int padded, float* input,
              int height) {
  FillPlanes(pixels, width, height, padded, input, [](size_t, int value) {
    return (static_cast<float>(value) / 255.f - 0.5f) / 0.5f;
  });
}

void FillGreyLine(const uint8_t* pixels, int width, int padded, int height,
                  float* input) {
  for (int y = 0; y < height; ++y, input += padded) {
    for (int x = 0; x < width; ++x, pixels += 3) {
      // ITU-R 601-2 in 16 bits, as Pillow's convert("L") has it.
      const int luminance =
          (pixels[2] * 19595 + pixels[1] * 38470 + pixels[0] * 7471 + 0x8000) >>
          16;
      input[x] = static_cast<float>(luminance) / 127.5f - 1.f;
    }
    std::fill(input + width, input + padded, input[width - 1]);
  }
}

}  // namespace ocr
