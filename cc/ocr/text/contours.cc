#include "cc/ocr/text/contours.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <tuple>
#include <utility>

namespace ocr {
namespace {

constexpr int kEast = 0;
constexpr int kWest = 4;
constexpr std::array<Pixel, 8> kDirections = {{
    {1, 0},
    {1, -1},
    {0, -1},
    {-1, -1},
    {-1, 0},
    {-1, 1},
    {0, 1},
    {1, 1},
}};

// A pixel of an area is 1 until a border goes through it. It is kRight if the
// border went by on its east side, so that no hole begins there.
constexpr int8_t kSeen = 2;
constexpr int8_t kRight = -2;

int64_t Cross(Pixel o, Pixel a, Pixel b) {
  return static_cast<int64_t>(a.x - o.x) * (b.y - o.y) -
         static_cast<int64_t>(a.y - o.y) * (b.x - o.x);
}

// The corners of the hull, in the direction from (1,0) to (0,1). The first one
// is the one that OpenCV has first: of rectangles with the same area the last
// one that the calipers meet is taken.
std::vector<Pixel> Hull(const std::vector<Pixel>& points) {
  // A border may go by a pixel more than once.
  struct Place {
    Pixel pixel;
    int first;  // index of it in `points`
    int last;
  };
  std::vector<Place> places;
  places.reserve(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    const int index = static_cast<int>(i);
    places.push_back({points[i], index, index});
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.pixel.x, a.pixel.y, a.first) <
           std::tie(b.pixel.x, b.pixel.y, b.first);
  });
  size_t size = 0;
  for (const Place& place : places) {
    if (size > 0 && places[size - 1].pixel.x == place.pixel.x &&
        places[size - 1].pixel.y == place.pixel.y) {
      places[size - 1].last = place.last;
    } else {
      places[size++] = place;
    }
  }
  places.resize(size);

  std::vector<Place> hull;
  const auto chain = [&hull](auto begin, auto end) {
    const size_t base = hull.size();
    for (auto i = begin; i != end; ++i) {
      while (hull.size() >= base + 2 &&
             Cross(hull[hull.size() - 2].pixel, hull.back().pixel, i->pixel) <=
                 0) {
        hull.pop_back();
      }
      hull.push_back(*i);
    }
    hull.pop_back();  // begins the other chain
  };
  if (size < 3) {
    hull.assign(places.rbegin(), places.rend());
  } else {
    chain(places.begin(), places.end());
    // Only now: it begins with the right-most point, as OpenCV's does.
    std::vector<Place> lower = std::move(hull);
    hull.clear();
    chain(places.rbegin(), places.rend());
    hull.insert(hull.end(), lower.begin(), lower.end());
  }

  // OpenCV has of a pixel the index that it came by last, from the left or from
  // the right up to the first pixel with the greatest or the least y.
  std::vector<int> indices;
  indices.reserve(hull.size());
  const auto by_row = [](const Place& a, const Place& b) {
    return a.pixel.y != b.pixel.y ? a.pixel.y < b.pixel.y
                                  : a.pixel.x < b.pixel.x;
  };
  const auto by_row_from_right = [](const Place& a, const Place& b) {
    return a.pixel.y != b.pixel.y ? a.pixel.y < b.pixel.y
                                  : a.pixel.x > b.pixel.x;
  };
  const auto highest =
      std::max_element(hull.begin(), hull.end(), by_row_from_right);
  const auto lowest = std::min_element(hull.begin(), hull.end(), by_row);
  for (auto i = hull.begin(); i != hull.end(); ++i) {
    const bool leftmost = i->first == places.front().first;
    const bool from_left =
        i > highest && (i < lowest || lowest == hull.begin()) && !leftmost;
    const bool begins = i == hull.begin() && i != highest;
    indices.push_back(from_left || begins ? i->last : i->first);
  }
  // It turns the list so that indices ascend or descend, if they can.
  const auto turn = [&](auto first, auto less) {
    const auto by = first - indices.begin();
    std::vector<int> turned = indices;
    std::rotate(turned.begin(), turned.begin() + by, turned.end());
    if (!std::is_sorted(turned.begin(), turned.end(), less)) return false;
    std::rotate(hull.begin(), hull.begin() + by, hull.end());
    return true;
  };
  if (indices.size() >= 3 &&
      !turn(std::min_element(indices.begin(), indices.end()),
            std::less<int>())) {
    turn(std::max_element(indices.begin(), indices.end()), std::greater<int>());
  }
  std::vector<Pixel> corners;
  corners.reserve(hull.size());
  for (const Place& place : hull) corners.push_back(place.pixel);
  return corners;
}

float Right(Point a, Point b) { return a.y * b.x - a.x * b.y; }

// A rectangle by its middle, sides and first side's direction.
Rectangle Turned(Point middle, float width, float height, double radians) {
  // OpenCV keeps degrees in a float.
  const auto degrees =
      static_cast<float>(static_cast<float>(radians) * 180 / M_PI);
  const double angle = degrees * M_PI / 180;
  const float c = static_cast<float>(std::cos(angle)) * 0.5f;
  const float s = static_cast<float>(std::sin(angle)) * 0.5f;
  Rectangle r;
  r.short_side = std::min(width, height);
  r.corners[0] = {middle.x - s * height - c * width,
                  middle.y + c * height - s * width};
  r.corners[1] = {middle.x + s * height - c * width,
                  middle.y - c * height - s * width};
  for (size_t i = 0; i < 2; ++i) {
    r.corners[i + 2] = {2 * middle.x - r.corners[i].x,
                        2 * middle.y - r.corners[i].y};
  }
  return r;
}

}  // namespace

Mask::Mask(int width, int height)
    : width_(width),
      height_(height),
      stride_(static_cast<size_t>(width) + 2),
      pixels_(stride_ * (static_cast<size_t>(height) + 2)) {
  for (size_t i = 0; i < steps_.size(); ++i) {
    steps_[i] =
        kDirections[i].y * static_cast<ptrdiff_t>(stride_) + kDirections[i].x;
  }
}

void Mask::Dilate() {
  for (int y = height_ - 1; y >= 0; --y) {
    int8_t* pixels = row(y);
    const int8_t* above = row(y - 1);
    for (int x = width_ - 1; x >= 0; --x) {
      pixels[x] = static_cast<int8_t>(pixels[x] | pixels[x - 1] | above[x] |
                                      above[x - 1]);
    }
  }
}

template <typename Visit>
void Mask::Follow(const Start& start, Visit visit) const {
  const auto turn = [&](size_t from, int direction) {
    return static_cast<size_t>(static_cast<ptrdiff_t>(from) +
                               steps_[static_cast<size_t>(direction)]);
  };
  const size_t first = Offset(start.pixel.x, start.pixel.y);
  const int outside = start.hole ? kEast : kWest;
  int direction = outside;
  size_t second = first;
  do {
    direction = (direction + 7) & 7;
    second = turn(first, direction);
  } while (pixels_[second] == 0 && direction != outside);
  if (direction == outside) {  // it is alone
    visit(first, start.pixel, true, true);
    return;
  }
  size_t here = first;
  Pixel pixel = start.pixel;
  int before = direction ^ 4;
  while (true) {
    const int from = direction;
    size_t next = here;
    do {
      direction = (direction + 1) & 7;
      next = turn(here, direction);
    } while (pixels_[next] == 0);
    // Whether the search came by the neighbour in the east.
    const bool east = direction != kEast && direction <= from;
    visit(here, pixel, direction != before, east);
    before = direction;
    if (next == first && here == second) return;
    pixel.x += kDirections[static_cast<size_t>(direction)].x;
    pixel.y += kDirections[static_cast<size_t>(direction)].y;
    here = next;
    direction ^= 4;
  }
}

std::vector<Mask::Start> Mask::Borders(size_t most) {
  std::vector<Start> ring;
  size_t found = 0;
  const auto border = [&](const Start& start) {
    Follow(start, [&](size_t offset, Pixel, bool, bool east) {
      if (east) {
        pixels_[offset] = kRight;
      } else if (pixels_[offset] == 1) {
        pixels_[offset] = kSeen;
      }
    });
    if (ring.size() < most) {
      ring.push_back(start);
    } else if (most > 0) {
      ring[found % most] = start;
    }
    ++found;
  };
  for (int y = 0; y < height_; ++y) {
    const int8_t* pixels = row(y);
    for (int x = 0; x <= width_; ++x) {
      // Eight pixels that are all like the one before have nothing that begins.
      if (pixels[x - 1] == 0) {
        while (x + 8 <= width_) {
          uint64_t eight;
          std::memcpy(&eight, pixels + x, sizeof(eight));
          if (eight != 0) break;
          x += 8;
        }
      }
      if (pixels[x] == 1 && pixels[x - 1] == 0) {
        border({{x, y}, false});
      } else if (pixels[x] == 0 && pixels[x - 1] > 0) {
        border({{x - 1, y}, true});
      }
    }
  }
  if (found > ring.size() && most > 0) {
    std::rotate(ring.begin(),
                ring.begin() + static_cast<ptrdiff_t>(found % most),
                ring.end());
  }
  return ring;
}

void Mask::Trace(const Start& start, std::vector<Pixel>* corners) const {
  corners->clear();
  Follow(start, [&](size_t, Pixel pixel, bool turned, bool) {
    if (turned) corners->push_back(pixel);
  });
}

// Rotating calipers. Floats where OpenCV has floats: of rectangles whose areas
// are equal but for rounding the same one is taken.
Rectangle MinAreaRectangle(const std::vector<Pixel>& points) {
  const std::vector<Pixel> pixels = Hull(points);
  std::vector<Point> hull;
  hull.reserve(pixels.size());
  for (const Pixel& p : pixels) {
    hull.push_back({static_cast<float>(p.x), static_cast<float>(p.y)});
  }
  if (hull.empty()) return {};
  if (hull.size() == 1) return Turned(hull[0], 0, 0, 0);
  if (hull.size() == 2) {
    const double dx = hull[1].x - hull[0].x;
    const double dy = hull[1].y - hull[0].y;
    return Turned(
        {(hull[0].x + hull[1].x) * 0.5f, (hull[0].y + hull[1].y) * 0.5f},
        static_cast<float>(std::sqrt(dx * dx + dy * dy)), 0,
        std::atan2(dy, dx));
  }
  const size_t n = hull.size();
  std::vector<Point> edges(n);
  std::vector<float> inverse(n);
  size_t left = 0, right = 0, low = 0, high = 0;
  for (size_t i = 0; i < n; ++i) {
    if (hull[i].x < hull[left].x) left = i;
    if (hull[i].x > hull[right].x) right = i;
    if (hull[i].y > hull[high].y) high = i;
    if (hull[i].y < hull[low].y) low = i;
    const Point next = hull[i + 1 < n ? i + 1 : 0];
    const double dx = next.x - hull[i].x;
    const double dy = next.y - hull[i].y;
    edges[i] = {static_cast<float>(dx), static_cast<float>(dy)};
    inverse[i] = static_cast<float>(1. / std::sqrt(dx * dx + dy * dy));
  }
  std::array<size_t, 4> touching = {low, right, high, left};
  float least = std::numeric_limits<float>::max();
  Point base, best_base;
  float best_width = 0, best_height = 0;
  size_t best_left = 0, best_low = 0;
  for (size_t k = 0; k < n; ++k) {
    // The side that needs the smallest turn to lie on an edge.
    const std::array<Point, 4> turned = {{
        edges[touching[0]],
        {edges[touching[1]].y, -edges[touching[1]].x},
        {-edges[touching[2]].x, -edges[touching[2]].y},
        {-edges[touching[3]].y, edges[touching[3]].x},
    }};
    size_t side = 0;
    for (size_t i = 1; i < 4; ++i) {
      if (Right(turned[i], turned[side]) < 0) side = i;
    }
    const size_t edge = touching[side];
    base = {turned[side].x * inverse[edge], turned[side].y * inverse[edge]};
    touching[side] = edge + 1 < n ? edge + 1 : 0;
    float dx = hull[touching[1]].x - hull[touching[3]].x;
    float dy = hull[touching[1]].y - hull[touching[3]].y;
    const float width = dx * base.x + dy * base.y;
    dx = hull[touching[2]].x - hull[touching[0]].x;
    dy = hull[touching[2]].y - hull[touching[0]].y;
    const float height = -dx * base.y + dy * base.x;
    if (width * height <= least) {
      least = width * height;
      best_base = base;
      best_width = width;
      best_height = height;
      best_left = touching[3];
      best_low = touching[0];
    }
  }
  const float a = best_base.x, b = best_base.y;
  const float c1 = a * hull[best_left].x + hull[best_left].y * b;
  const float c2 = -b * hull[best_low].x + hull[best_low].y * a;
  const float scale = 1.f / (a * a + b * b);
  const Point corner = {(c1 * a - c2 * b) * scale, (a * c2 + b * c1) * scale};
  const Point along = {a * best_width, b * best_width};
  const Point across = {-b * best_height, a * best_height};
  const auto length = [](Point p) {
    const double x = p.x, y = p.y;
    return static_cast<float>(std::sqrt(x * x + y * y));
  };
  return Turned(
      {corner.x + (along.x + across.x) * 0.5f,
       corner.y + (along.y + across.y) * 0.5f},
      length(along), length(across),
      std::atan2(static_cast<double>(along.y), static_cast<double>(along.x)));
}

}  // namespace ocr
