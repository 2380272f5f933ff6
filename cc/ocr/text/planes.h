// From pixels to the planes that models take.
#ifndef CC_OCR_TEXT_PLANES_H_
#define CC_OCR_TEXT_PLANES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ocr {

// Writes float[3][height][stride] of uint8[height][width][3], with zeros behind
// each row. of(channel, value) is asked for each of the 256 values once.
template <typename Of>
void FillPlanes(const uint8_t* pixels, int width, int height, int stride,
                float* planes, Of of) {
  std::array<std::array<float, 256>, 3> values;
  for (size_t channel = 0; channel < 3; ++channel) {
    for (int i = 0; i < 256; ++i) {
      values[channel][static_cast<size_t>(i)] = of(channel, i);
    }
  }
  const size_t plane =
      static_cast<size_t>(stride) * static_cast<size_t>(height);
  for (int y = 0; y < height; ++y) {
    float* row = planes + static_cast<size_t>(y) * static_cast<size_t>(stride);
    for (int x = 0; x < width; ++x, pixels += 3, ++row) {
      row[0] = values[0][pixels[0]];
      row[plane] = values[1][pixels[1]];
      row[2 * plane] = values[2][pixels[2]];
    }
    for (size_t channel = 0; channel < 3; ++channel) {
      std::fill_n(row + channel * plane, stride - width, 0.f);
    }
  }
}

}  // namespace ocr

#endif  // CC_OCR_TEXT_PLANES_H_
