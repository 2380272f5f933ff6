#include "cc/ocr/text/boxes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <tuple>
#include <utility>

namespace ocr {
namespace {

// Shorter sides that a box has, before and after it grew.
constexpr float kMinSide = 3;
constexpr float kMinGrownSide = 5;

Mask MaskOf(const float* map, int height, int width, float threshold) {
  Mask mask(width, height);
  for (int y = 0; y < height; ++y) {
    const float* from =
        map + static_cast<size_t>(y) * static_cast<size_t>(width);
    int8_t* to = mask.row(y);
    for (int x = 0; x < width; ++x) to[x] = from[x] > threshold ? 1 : 0;
  }
  return mask;
}

// From the upper left clockwise. Of points with the same x the first is first;
// of those with the same y the first is lower if `swap`.
void Order(std::array<Point, 4>* corners, bool swap) {
  std::array<Point, 4>& p = *corners;
  std::stable_sort(p.begin(), p.end(),
                   [](const Point& a, const Point& b) { return a.x < b.x; });
  for (const size_t i : {0, 2}) {
    if (p[i + 1].y < p[i].y || (swap && p[i + 1].y == p[i].y)) {
      std::swap(p[i], p[i + 1]);
    }
  }
  // Now: upper left, lower left, upper right, lower right.
  p = {p[0], p[2], p[3], p[1]};
}

// What a row has of a polygon: pixels, and where the polygon's edges cross it,
// in 1/65536 of a pixel.
struct Span {
  int begin;
  int end;
  int64_t left;
  int64_t right;
};
constexpr int64_t kOne = 1 << 16;

// The sides of pixels beyond which one lies.
int Beyond(const Pixel& p, int width, int height) {
  return (p.x < 0 ? 1 : 0) | (p.x >= width ? 2 : 0) | (p.y < 0 ? 4 : 0) |
         (p.y >= height ? 8 : 0);
}

// Cuts a line off at the sides, to whole pixels; false if all of it lies beyond
// one of them.
bool Clip(int width, int height, Pixel* a, Pixel* b) {
  constexpr int kRows = 4 | 8;
  const auto cut = [](int from, int to, int at, int other_from, int other_to) {
    return static_cast<int>(static_cast<int64_t>(at - from) *
                            (other_to - other_from) / (to - from));
  };
  for (const bool rows : {true, false}) {
    for (const bool second : {false, true}) {
      const int beyond_a = Beyond(*a, width, height);
      const int beyond_b = Beyond(*b, width, height);
      if ((beyond_a & beyond_b) != 0) return false;
      Pixel* p = second ? b : a;
      const int beyond = second ? beyond_b : beyond_a;
      if (rows && (beyond & kRows) != 0) {
        const int y = (beyond & 4) != 0 ? 0 : height - 1;
        p->x += cut(a->y, b->y, y - p->y + a->y, a->x, b->x);
        p->y = y;
      } else if (!rows && beyond != 0) {
        const int x = (beyond & 1) != 0 ? 0 : width - 1;
        p->y += cut(a->x, b->x, x - p->x + a->x, a->y, b->y);
        p->x = x;
      }
    }
  }
  return true;
}

// Adds an edge of a polygon to the rows that it goes through, as cv2.fillPoly
// does: its pixels by Bresenham's algorithm, and what lies beyond a side up to
// that. An edge that is cut keeps to the pixels where it is cut.
void Draw(Pixel a, Pixel b, int width, std::vector<Span>* rows) {
  const int height = static_cast<int>(rows->size());
  const auto add = [&](int x, int y) {
    Span& row = (*rows)[static_cast<size_t>(y)];
    row.begin = std::min(row.begin, x);
    row.end = std::max(row.end, x + 1);
  };
  Pixel from = a, to = b;
  const bool whole = (Beyond(a, width, height) | Beyond(b, width, height)) == 0;
  const bool seen = whole || Clip(width, height, &from, &to);
  if (a.y != b.y) {
    const bool by_cut = !whole && from.y != to.y;
    const Pixel& c = by_cut ? from : a;
    const Pixel& d = by_cut ? to : b;
    const int64_t slope = (d.x - c.x) * kOne / (d.y - c.y);
    const Pixel& start = a.y < b.y ? c : d;
    const int y0 = std::min(a.y, b.y), y1 = std::max(a.y, b.y);
    for (int y = std::max(y0, 0); y < std::min(y1, height); ++y) {
      const int64_t x = start.x * kOne + (y - start.y) * slope;
      Span& row = (*rows)[static_cast<size_t>(y)];
      row.left = std::min(row.left, x);
      row.right = std::max(row.right, x);
    }
  }
  if (!seen) return;
  // Always from the left, along the longer side.
  if (from.x > to.x) std::swap(from, to);
  const int dx = to.x - from.x;
  const int dy = std::abs(to.y - from.y);
  const int down = to.y < from.y ? -1 : 1;
  const bool steep = dy > dx;
  const int length = std::max(dx, dy);
  const int shorter = std::min(dx, dy);
  int error = length - 2 * shorter;
  for (int i = 0; i <= length; ++i) {
    add(from.x, from.y);
    const bool aside = error < 0;
    error += (aside ? 2 * length : 0) - 2 * shorter;
    if (!steep || aside) ++from.x;
    if (steep || aside) from.y += down;
  }
}

// From its edges' pixels to what is between the edges.
std::pair<int, int> PixelsOf(const Span& row, int width) {
  int begin = row.begin, end = row.end;
  if (row.left < row.right) {
    const int64_t inner = (row.left + kOne - 1) >> 16;
    const int64_t outer = (row.right >> 16) + 1;
    if (inner < outer) {
      begin = std::min<int>(begin, std::max<int64_t>(inner, 0));
      end = std::max<int>(end, std::min<int64_t>(outer, width));
    }
  }
  return {begin, end};
}

// The mean of the map in a box.
double Score(const float* map, int height, int width,
             const std::array<Point, 4>& corners) {
  float left = corners[0].x, right = left, top = corners[0].y, bottom = top;
  for (const Point& p : corners) {
    left = std::min(left, p.x);
    right = std::max(right, p.x);
    top = std::min(top, p.y);
    bottom = std::max(bottom, p.y);
  }
  const auto pixel = [](float value, int size) {
    return std::min(std::max(static_cast<int>(value), 0), size - 1);
  };
  const int x0 = pixel(std::floor(left), width);
  const int x1 = pixel(std::ceil(right), width);
  const int y0 = pixel(std::floor(top), height);
  const int y1 = pixel(std::ceil(bottom), height);
  std::vector<Span> rows(static_cast<size_t>(y1 - y0 + 1),
                         {width, 0, std::numeric_limits<int64_t>::max(),
                          std::numeric_limits<int64_t>::min()});
  for (size_t i = 0; i < 4; ++i) {
    // Cut to whole pixels of the part, as the reference does.
    const auto cut = [&](const Point& p) {
      return Pixel{static_cast<int>(p.x - static_cast<float>(x0)),
                   static_cast<int>(p.y - static_cast<float>(y0))};
    };
    Draw(cut(corners[i]), cut(corners[(i + 1) % 4]), x1 - x0 + 1, &rows);
  }
  double sum = 0;
  int64_t count = 0;
  for (size_t y = 0; y < rows.size(); ++y) {
    const auto [begin, end] = PixelsOf(rows[y], x1 - x0 + 1);
    if (begin >= end) continue;
    const float* row =
        map + (static_cast<size_t>(y0) + y) * static_cast<size_t>(width) +
        static_cast<size_t>(x0);
    // Sums that do not wait for each other.
    std::array<double, 8> sums = {};
    int x = begin;
    for (; x + 8 <= end; x += 8) {
      for (int i = 0; i < 8; ++i) {
        sums[static_cast<size_t>(i)] += static_cast<double>(row[x + i]);
      }
    }
    for (; x < end; ++x) sums[0] += static_cast<double>(row[x]);
    for (const double part : sums) sum += part;
    count += end - begin;
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

float OnPage(float value, int size, int page) {
  const float scaled = std::nearbyint(value / static_cast<float>(size) *
                                      static_cast<float>(page));
  return std::min(std::max(scaled, 0.f), static_cast<float>(page)) +
         0.f;  // no -0
}

// Longer than three pixels, in whole ones.
bool IsLong(const Point& a, const Point& b) {
  const double dx = static_cast<double>(a.x) - static_cast<double>(b.x);
  const double dy = static_cast<double>(a.y) - static_cast<double>(b.y);
  return dx * dx + dy * dy >= 16;
}

}  // namespace

std::vector<Pixel> Unclip(const std::array<Point, 4>& corners, double ratio) {
  double area = 0, length = 0;
  for (size_t i = 0; i < 4; ++i) {
    const Point& a = corners[i];
    const Point& b = corners[(i + 1) % 4];
    const double ax = a.x, ay = a.y, bx = b.x, by = b.y;
    area += ax * by - bx * ay;
    // As GEOS, and so RapidOCR, has it; std::hypot needs glibc 2.35, and what
    // Python's wheel has must do with less.
    length += std::sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay));
  }
  const double distance = std::abs(area) / 2 * ratio / length;

  std::vector<Pixel> polygon;
  for (const Point& p : corners) {
    const Pixel cut = {static_cast<int>(p.x), static_cast<int>(p.y)};
    if (polygon.empty() || polygon.back().x != cut.x ||
        polygon.back().y != cut.y) {
      polygon.push_back(cut);
    }
  }
  if (area < 0) std::reverse(polygon.begin(), polygon.end());
  const size_t n = polygon.size();
  if (n < 3 || !(distance > 0)) return polygon;

  // How many steps a whole turn takes, for arcs that are off by at most a
  // quarter of a pixel.
  const double off = std::min(0.25, distance * 0.25);
  const double steps =
      std::min(M_PI / std::acos(1 - off / distance), distance * M_PI);
  const double sine = std::sin(2 * M_PI / steps);
  const double cosine = std::cos(2 * M_PI / steps);

  struct Direction {
    double x, y;
  };
  std::vector<Direction> normals(n);
  for (size_t i = 0; i < n; ++i) {
    const Pixel a = polygon[i], b = polygon[(i + 1) % n];
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double scale = 1 / std::sqrt(dx * dx + dy * dy);
    normals[i] = {dy * scale, -dx * scale};
  }
  std::vector<Pixel> offset;
  for (size_t i = 0; i < n; ++i) {
    const auto add = [&](const Direction& d) {
      offset.push_back(
          {static_cast<int>(std::lround(polygon[i].x + d.x * distance)),
           static_cast<int>(std::lround(polygon[i].y + d.y * distance))});
    };
    const Direction from = normals[(i + n - 1) % n];
    const Direction to = normals[i];
    const double turn =
        std::min(std::max(from.x * to.y - to.x * from.y, -1.0), 1.0);
    const double along = from.x * to.x + from.y * to.y;
    if (std::abs(turn * distance) < 1 && along > 0) {
      add(from);
      continue;
    }
    const int arc =
        std::max(static_cast<int>(std::lround(
                     steps / (2 * M_PI) * std::abs(std::atan2(turn, along)))),
                 1);
    Direction d = from;
    for (int k = 0; k < arc; ++k) {
      add(d);
      d = {d.x * cosine - sine * d.y, d.x * sine + d.y * cosine};
    }
    add(to);
  }
  return offset;
}

std::vector<Box> FindBoxes(const float* map, int height, int width,
                           int page_height, int page_width,
                           const BoxOptions& options) {
  std::vector<Box> boxes;
  if (height <= 0 || width <= 0) return boxes;
  Mask mask = MaskOf(map, height, width, options.threshold);
  if (options.dilate) mask.Dilate();
  const std::vector<Mask::Start> starts = mask.Borders(options.most);
  std::vector<Pixel> border;
  for (auto start = starts.rbegin(); start != starts.rend(); ++start) {
    mask.Trace(*start, &border);
    Rectangle rectangle = MinAreaRectangle(border);
    if (rectangle.short_side < kMinSide) continue;
    Order(&rectangle.corners, true);
    Box box;
    box.score = Score(map, height, width, rectangle.corners);
    if (!(box.score >= options.score)) continue;
    rectangle =
        MinAreaRectangle(Unclip(rectangle.corners, options.unclip_ratio));
    if (rectangle.short_side < kMinGrownSide) continue;
    Order(&rectangle.corners, true);
    for (size_t i = 0; i < 4; ++i) {
      box.corners[i] = {OnPage(rectangle.corners[i].x, width, page_width),
                        OnPage(rectangle.corners[i].y, height, page_height)};
    }
    // Once more, now that they are whole pixels, and inside the page.
    Order(&box.corners, false);
    for (Point& p : box.corners) {
      p.x = std::min(p.x, static_cast<float>(page_width - 1));
      p.y = std::min(p.y, static_cast<float>(page_height - 1));
    }
    if (IsLong(box.corners[0], box.corners[1]) &&
        IsLong(box.corners[0], box.corners[3])) {
      boxes.push_back(box);
    }
  }
  return boxes;
}

void SortBoxes(std::vector<Box>* boxes) {
  std::vector<Box>& b = *boxes;
  std::stable_sort(b.begin(), b.end(), [](const Box& a, const Box& c) {
    return std::tie(a.corners[0].y, a.corners[0].x) <
           std::tie(c.corners[0].y, c.corners[0].x);
  });
  for (size_t i = 1; i < b.size(); ++i) {
    for (size_t j = i; j > 0; --j) {
      const Point& upper = b[j - 1].corners[0];
      const Point& lower = b[j].corners[0];
      if (!(std::abs(lower.y - upper.y) < 10 && lower.x < upper.x)) break;
      std::swap(b[j - 1], b[j]);
    }
  }
}

}  // namespace ocr
