#include "cc/ocr/picture/warp.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/ocr/picture/picture.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace ocr {
namespace {

// Bits equal OpenCV's only where each operation is rounded by itself and in its
// order: BUILD.bazel compiles this file without contraction to fused ones.
using Matrix = std::array<double, 9>;

// Of four rows and columns of pixels, the share of each in a pixel between the
// second and the third, by 32nds of the way both ways.
constexpr int kStepBits = 5;
constexpr int kSteps = 1 << kStepBits;
constexpr int kWeightBits = 15;
using Weights = std::array<int16_t, 16>;

int16_t Saturated(float value) {
  return static_cast<int16_t>(std::clamp(std::lrintf(value),
                                         static_cast<long>(INT16_MIN),
                                         static_cast<long>(INT16_MAX)));
}

std::array<float, 4> CubicWeights(float x) {
  constexpr float kA = -0.75F;
  std::array<float, 4> w;
  w[0] = ((kA * (x + 1) - 5 * kA) * (x + 1) + 8 * kA) * (x + 1) - 4 * kA;
  w[1] = ((kA + 2) * x - (kA + 3)) * x * x + 1;
  w[2] = ((kA + 2) * (1 - x) - (kA + 3)) * (1 - x) * (1 - x) + 1;
  w[3] = 1.F - w[0] - w[1] - w[2];
  return w;
}

std::vector<Weights> MakeTable() {
  std::vector<Weights> table(kSteps * kSteps);
  for (int i = 0; i < kSteps; ++i) {
    const std::array<float, 4> down = CubicWeights(i * (1.F / kSteps));
    for (int j = 0; j < kSteps; ++j) {
      const std::array<float, 4> right = CubicWeights(j * (1.F / kSteps));
      Weights& weights = table[static_cast<size_t>(i * kSteps + j)];
      int sum = 0;
      for (size_t k = 0; k < 16; ++k) {
        weights[k] = Saturated(down[k / 4] * right[k % 4] * (1 << kWeightBits));
        sum += weights[k];
      }
      // What rounding left goes to the largest or the least of the four behind
      // the middle, where OpenCV puts it.
      size_t least = 10, largest = 10;
      for (const size_t k : {10, 11, 14, 15}) {
        if (weights[k] < weights[least]) {
          least = k;
        } else if (weights[k] > weights[largest]) {
          largest = k;
        }
      }
      const int more = (1 << kWeightBits) - sum;
      int16_t& mended = weights[more > 0 ? largest : least];
      mended = static_cast<int16_t>(mended + more);
    }
  }
  return table;
}

const std::vector<Weights>& Table() {
  static const auto* const table = new std::vector<Weights>(MakeTable());
  return *table;
}

// Solves the eight equations by Gauss, with the largest pivot of each column.
// Zeros where they have no solution, as in OpenCV.
Matrix Transform(const Quadrilateral& from, const Quadrilateral& to) {
  double a[8][8] = {};
  double b[8];
  for (int i = 0; i < 4; ++i) {
    const Corner& p = from[static_cast<size_t>(i)];
    const Corner& q = to[static_cast<size_t>(i)];
    a[i][0] = a[i + 4][3] = p.x;
    a[i][1] = a[i + 4][4] = p.y;
    a[i][2] = a[i + 4][5] = 1;
    // Products of floats are floats here.
    a[i][6] = -p.x * q.x;
    a[i][7] = -p.y * q.x;
    a[i + 4][6] = -p.x * q.y;
    a[i + 4][7] = -p.y * q.y;
    b[i] = q.x;
    b[i + 4] = q.y;
  }
  Matrix m{};
  m[8] = 1;
  for (int i = 0; i < 8; ++i) {
    int pivot = i;
    for (int j = i + 1; j < 8; ++j) {
      if (std::abs(a[j][i]) > std::abs(a[pivot][i])) pivot = j;
    }
    if (std::abs(a[pivot][i]) < DBL_EPSILON * 100) return m;
    if (pivot != i) {
      for (int k = i; k < 8; ++k) std::swap(a[i][k], a[pivot][k]);
      std::swap(b[i], b[pivot]);
    }
    const double d = -1 / a[i][i];
    for (int j = i + 1; j < 8; ++j) {
      const double alpha = a[j][i] * d;
      for (int k = i + 1; k < 8; ++k) a[j][k] += alpha * a[i][k];
      b[j] += alpha * b[i];
    }
  }
  for (int i = 7; i >= 0; --i) {
    double s = b[i];
    for (int k = i + 1; k < 8; ++k) s -= a[i][k] * b[k];
    b[i] = s / a[i][i];
  }
  std::copy(b, b + 8, m.begin());
  return m;
}

Matrix Inverse(const Matrix& m) {
  double d = m[0] * (m[4] * m[8] - m[5] * m[7]) -
             m[1] * (m[3] * m[8] - m[5] * m[6]) +
             m[2] * (m[3] * m[7] - m[4] * m[6]);
  if (d == 0) return Matrix{};
  d = 1 / d;
  return {(m[4] * m[8] - m[5] * m[7]) * d, (m[2] * m[7] - m[1] * m[8]) * d,
          (m[1] * m[5] - m[2] * m[4]) * d, (m[5] * m[6] - m[3] * m[8]) * d,
          (m[0] * m[8] - m[2] * m[6]) * d, (m[2] * m[3] - m[0] * m[5]) * d,
          (m[3] * m[7] - m[4] * m[6]) * d, (m[1] * m[6] - m[0] * m[7]) * d,
          (m[0] * m[4] - m[1] * m[3]) * d};
}

int Rounded(double value) {
  return static_cast<int>(
      std::lrint(std::clamp<double>(value, INT_MIN, INT_MAX)));
}

// Which a 16-bit number holds; OpenCV's tables of places have no larger ones.
int Place(int value) {
  return std::clamp(value >> kStepBits, INT16_MIN, INT16_MAX);
}

uint8_t Byte(int sum) {
  sum = (sum + (1 << (kWeightBits - 1))) >> kWeightBits;
  return static_cast<uint8_t>(std::clamp(sum, 0, 255));
}

#ifdef __SSE2__
// Two pixels beside each other, each times its weight; reads one byte behind
// them.
__m128i Pair(const uint8_t* pixel, const int16_t* weights) {
  int32_t first, second, both;
  std::memcpy(&first, pixel, sizeof(first));
  std::memcpy(&second, pixel + 3, sizeof(second));
  std::memcpy(&both, weights, sizeof(both));
  const __m128i pairs = _mm_unpacklo_epi8(
      _mm_unpacklo_epi8(_mm_cvtsi32_si128(first), _mm_cvtsi32_si128(second)),
      _mm_setzero_si128());
  return _mm_madd_epi16(pairs, _mm_set1_epi32(both));
}
#endif

// The pixel whose four by four neighbours begin at (x, y).
void Interpolate(const Picture& picture, int x, int y, const Weights& weights,
                 uint8_t* result) {
#ifdef __SSE2__
  if (x >= 0 && y >= 0 && x < picture.width - 4 && y < picture.height - 3) {
    __m128i sum = _mm_set1_epi32(1 << (kWeightBits - 1));
    const int16_t* w = weights.data();
    const uint8_t* row = picture.Row(y) + 3 * static_cast<size_t>(x);
    for (int i = 0; i < 4; ++i, w += 4, row += picture.RowBytes()) {
      sum =
          _mm_add_epi32(sum, _mm_add_epi32(Pair(row, w), Pair(row + 6, w + 2)));
    }
    sum = _mm_srai_epi32(sum, kWeightBits);
    sum = _mm_packs_epi32(sum, sum);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
    std::memcpy(result, &bytes, 3);
    return;
  }
#endif
  int sums[3] = {0, 0, 0};
  if (x >= 0 && y >= 0 && x < picture.width - 3 && y < picture.height - 3) {
    const int16_t* w = weights.data();
    const uint8_t* row = picture.Row(y) + 3 * static_cast<size_t>(x);
    for (int i = 0; i < 4; ++i, w += 4, row += picture.RowBytes()) {
      for (int c = 0; c < 3; ++c) {
        sums[c] += row[c] * w[0] + row[c + 3] * w[1] + row[c + 6] * w[2] +
                   row[c + 9] * w[3];
      }
    }
  } else {
    for (int i = 0; i < 16; ++i) {
      const uint8_t* pixel =
          picture.Row(std::clamp(y + i / 4, 0, picture.height - 1)) +
          3 * std::clamp(x + i % 4, 0, picture.width - 1);
      for (int c = 0; c < 3; ++c) {
        sums[c] += pixel[c] * weights[static_cast<size_t>(i)];
      }
    }
  }
  for (int c = 0; c < 3; ++c) result[c] = Byte(sums[c]);
}

Picture Warp(const Picture& picture, const Matrix& m, int width, int height) {
  const std::vector<Weights>& table = Table();
  Picture result(width, height);
  // OpenCV goes by blocks, and adds the way within a block to that of its
  // start.
  constexpr int kBlock = 32;
  const int block_width =
      std::min(kBlock * kBlock / std::min(kBlock / 2, height), width);
  for (int y = 0; y < height; ++y) {
    for (int start = 0; start < width; start += block_width) {
      const double x0 = m[0] * start + m[1] * y + m[2];
      const double y0 = m[3] * start + m[4] * y + m[5];
      const double w0 = m[6] * start + m[7] * y + m[8];
      const int end = std::min(block_width, width - start);
      uint8_t* pixel = result.Row(y) + 3 * static_cast<size_t>(start);
      for (int i = 0; i < end; ++i, pixel += 3) {
        double w = w0 + m[6] * i;
        w = w != 0 ? kSteps / w : 0;
        const int at_x = Rounded((x0 + m[0] * i) * w);
        const int at_y = Rounded((y0 + m[3] * i) * w);
        const int step = (at_y & (kSteps - 1)) * kSteps + (at_x & (kSteps - 1));
        Interpolate(picture, Place(at_x) - 1, Place(at_y) - 1,
                    table[static_cast<size_t>(step)], pixel);
      }
    }
  }
  return result;
}

// As numpy.linalg.norm has it for two floats.
float Distance(const Corner& a, const Corner& b) {
  const float dx = a.x - b.x, dy = a.y - b.y;
  const float x = dx * dx, y = dy * dy;
  return std::sqrt(static_cast<float>(static_cast<double>(x) + y));
}

using Pixel = std::array<uint8_t, 3>;
static_assert(sizeof(Pixel) == 3);

void Mirror(Picture& picture) {
  for (int y = 0; y < picture.height; ++y) {
    auto* row = reinterpret_cast<Pixel*>(picture.Row(y));
    std::reverse(row, row + picture.width);
  }
}

void Flip(Picture& picture) {
  for (int y = 0; y < picture.height / 2; ++y) {
    std::swap_ranges(picture.Row(y), picture.Row(y) + picture.RowBytes(),
                     picture.Row(picture.height - 1 - y));
  }
}

// Rows become columns, by tiles that a cache holds.
Picture Transposed(const Picture& picture) {
  constexpr int kTile = 32;
  Picture result(picture.height, picture.width);
  for (int top = 0; top < picture.height; top += kTile) {
    const int bottom = std::min(top + kTile, picture.height);
    for (int left = 0; left < picture.width; left += kTile) {
      const int right = std::min(left + kTile, picture.width);
      for (int y = top; y < bottom; ++y) {
        for (int x = left; x < right; ++x) {
          std::memcpy(result.Row(x) + 3 * static_cast<size_t>(y),
                      picture.Row(y) + 3 * static_cast<size_t>(x), 3);
        }
      }
    }
  }
  return result;
}

float Width(const Quadrilateral& corners) {
  return std::max(Distance(corners[0], corners[1]),
                  Distance(corners[2], corners[3]));
}

float Height(const Quadrilateral& corners) {
  return std::max(Distance(corners[0], corners[3]),
                  Distance(corners[1], corners[2]));
}

bool IsHigh(int width, int height) { return height >= 1.5 * width; }

}  // namespace

absl::StatusOr<Picture> Crop(const Picture& picture,
                             const Quadrilateral& corners) {
  const float wide = Width(corners), high = Height(corners);
  // Not a number fails both.
  if (!(wide >= 1 && high >= 1 && wide <= INT16_MAX && high <= INT16_MAX)) {
    return absl::InvalidArgumentError(
        "a quadrilateral to cut out has a side below one pixel or above 32,767 "
        "pixels");
  }
  if (picture.bgr.empty()) {
    return absl::InvalidArgumentError("there is no picture to cut from");
  }
  const int width = static_cast<int>(wide), height = static_cast<int>(high);
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  const Matrix there = Transform(
      corners, {Corner{0, 0}, Corner{w, 0}, Corner{w, h}, Corner{0, h}});
  Picture result = Warp(picture, Inverse(there), width, height);
  if (IsHigh(width, height)) return Upright(std::move(result), 8);
  return result;
}

bool CropIsTurned(const Quadrilateral& corners) {
  return IsHigh(static_cast<int>(Width(corners)),
                static_cast<int>(Height(corners)));
}

Picture Upright(Picture picture, int orientation) {
  switch (orientation) {
    case 2:
      Mirror(picture);
      return picture;
    case 3:
      Rotate180(picture);
      return picture;
    case 4:
      Flip(picture);
      return picture;
    case 5:
      return Transposed(picture);
    case 6:  // a quarter turn to the right mends it
      Flip(picture);
      return Transposed(picture);
    case 7:
      Rotate180(picture);
      return Transposed(picture);
    case 8:  // to the left
      Mirror(picture);
      return Transposed(picture);
    default:
      return picture;
  }
}

void Rotate180(Picture& picture) {
  auto* pixels = reinterpret_cast<Pixel*>(picture.bgr.data());
  std::reverse(pixels, pixels + picture.bgr.size() / 3);
}

}  // namespace ocr
