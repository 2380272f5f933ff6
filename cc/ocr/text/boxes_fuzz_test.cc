// Boxes of any map. The first byte is the map's width, the second how it is
// read; a map is floats as they are, or a byte for each, of which 255 is 1.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bazel/fuzz/check.h"
#include "cc/ocr/text/boxes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const int width = data[0] + 1;
  const uint8_t how = data[1];
  data += 2;
  size -= 2;
  std::vector<float> map;
  if ((how & 1) != 0) {
    map.resize(size / sizeof(float));
    if (!map.empty()) std::memcpy(map.data(), data, map.size() * sizeof(float));
  } else {
    for (size_t i = 0; i < size; ++i) {
      map.push_back(static_cast<float>(data[i]) / 255);
    }
  }
  const int height = static_cast<int>(map.size()) / width;
  if (height == 0) return 0;
  ocr::BoxOptions options;
  options.dilate = (how & 2) != 0;
  options.most = (how & 4) != 0 ? 3 : 1000;
  options.unclip_ratio = (how & 8) != 0 ? 0 : 1.6;
  options.score = (how & 16) != 0 ? 0 : 0.5;
  const int scale = 1 + (how >> 5);
  std::vector<ocr::Box> boxes = ocr::FindBoxes(
      map.data(), height, width, height * scale, width * scale, options);
  fuzz::Check(boxes.size() <= options.most, "boxes are bounded");
  ocr::SortBoxes(&boxes);
  for (const ocr::Box& box : boxes) {
    fuzz::Check(box.score >= options.score, "boxes have a score",
                std::to_string(box.score));
    for (const ocr::Point& p : box.corners) {
      fuzz::Check(p.x >= 0 && p.y >= 0 &&
                      p.x <= static_cast<float>(width * scale - 1) &&
                      p.y <= static_cast<float>(height * scale - 1),
                  "boxes are on the page");
    }
    fuzz::Check(box.corners[0].x <= box.corners[1].x &&
                    box.corners[3].x <= box.corners[2].x &&
                    box.corners[0].y <= box.corners[3].y &&
                    box.corners[1].y <= box.corners[2].y,
                "corners are in order");
  }
  return 0;
}
