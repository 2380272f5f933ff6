// Runs one step on what stdin has, for reference_test.py: a line of words, then
// the step's data. Answers are lines of words.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "cc/ocr/text/boxes.h"
#include "cc/ocr/text/contours.h"
#include "cc/ocr/text/ctc.h"
#include "cc/ocr/text/detector_input.h"
#include "cc/ocr/text/labels.h"
#include "cc/ocr/text/lines.h"

namespace {

template <typename T>
std::vector<T> Data(size_t count) {
  std::vector<T> data(count);
  std::cin.read(reinterpret_cast<char*>(data.data()),
                static_cast<std::streamsize>(count * sizeof(T)));
  return data;
}

void Boxes(std::istream& words) {
  int height, width, page_height, page_width;
  ocr::BoxOptions options;
  words >> height >> width >> page_height >> page_width >> options.dilate >>
      options.score >> options.unclip_ratio >> options.most;
  const auto map = Data<float>(static_cast<size_t>(height * width));
  std::vector<ocr::Box> boxes = ocr::FindBoxes(
      map.data(), height, width, page_height, page_width, options);
  for (const bool sorted : {false, true}) {
    if (sorted) ocr::SortBoxes(&boxes);
    for (const ocr::Box& box : boxes) {
      std::cout << sorted << ' ' << box.score;
      for (const ocr::Point& p : box.corners) {
        std::cout << ' ' << p.x << ' ' << p.y;
      }
      std::cout << '\n';
    }
  }
}

void Contours(std::istream& words) {
  int height, width;
  words >> height >> width;
  ocr::Mask mask(width, height);
  for (int y = 0; y < height; ++y) {
    const auto row = Data<int8_t>(static_cast<size_t>(width));
    std::copy(row.begin(), row.end(), mask.row(y));
  }
  const std::vector<ocr::Mask::Start> starts =
      mask.Borders(static_cast<size_t>(height * width) + 1);
  for (auto start = starts.rbegin(); start != starts.rend(); ++start) {
    std::vector<ocr::Pixel> corners;
    mask.Trace(*start, &corners);
    const ocr::Rectangle rectangle = ocr::MinAreaRectangle(corners);
    for (const ocr::Point& p : rectangle.corners) {
      std::cout << p.x << ' ' << p.y << ' ';
    }
    for (const ocr::Pixel& p : corners) std::cout << p.x << ' ' << p.y << ' ';
    std::cout << '\n';
  }
}

void Plan(std::istream& words) {
  ocr::Size page;
  ocr::DetectorOptions options;
  words >> page.width >> page.height;
  options.most = 1 << 20;
  const ocr::DetectorPlan plan = ocr::PlanDetection(page, options);
  std::cout << plan.page.width << ' ' << plan.page.height << ' ' << plan.bar
            << ' ' << plan.input.width << ' ' << plan.input.height << '\n';
}

template <typename Fill>
void Planes(int height, int width, int stride, Fill fill) {
  const auto pixels = Data<uint8_t>(static_cast<size_t>(height * width * 3));
  std::vector<float> planes(static_cast<size_t>(3 * height * stride));
  fill(pixels.data(), planes.data());
  std::cout.write(reinterpret_cast<const char*>(planes.data()),
                  static_cast<std::streamsize>(planes.size() * sizeof(float)));
}

void Batches(std::istream& words) {
  std::vector<ocr::Size> crops;
  for (ocr::Size crop; words >> crop.width >> crop.height;) {
    crops.push_back(crop);
  }
  for (const ocr::LineBatch& batch : ocr::PageBatches(crops, 6, 1 << 20)) {
    std::cout << batch.width;
    for (const size_t line : batch.lines) {
      std::cout << ' ' << line << ' '
                << ocr::LineWidth(crops[line], batch.width);
    }
    std::cout << '\n';
  }
}

void Text(std::istream& words, const ocr::Labels& labels) {
  int steps, width;
  double used;
  words >> steps >> used >> width;
  const auto values =
      Data<float>(static_cast<size_t>(steps) * labels.classes());
  const ocr::Line line =
      ocr::DecodeCtc(values.data(), ocr::Scores::kProbabilities, steps,
                     labels.classes(), labels);
  std::cout << line.score << '\n' << line.text << '\n';
  for (const ocr::Extent& extent :
       ocr::Extents(line, labels, steps, used, width)) {
    std::cout << extent.left << ' ' << extent.right << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::cout.precision(17);
  std::string head, step;
  std::getline(std::cin, head);
  std::istringstream words(head);
  words >> step;
  if (step == "boxes") Boxes(words);
  if (step == "contours") Contours(words);
  if (step == "plan") Plan(words);
  if (step == "detector") {
    ocr::Size size;
    words >> size.height >> size.width;
    Planes(size.height, size.width, size.width,
           [&](const uint8_t* pixels, float* planes) {
             ocr::FillDetector(pixels, size, {}, planes);
           });
  }
  if (step == "line") {
    int width, padded;
    words >> width >> padded;
    Planes(ocr::kLineHeight, width, padded,
           [&](const uint8_t* pixels, float* planes) {
             ocr::FillLine(pixels, width, padded, planes);
           });
  }
  if (step == "batches") Batches(words);
  if (step == "text" && argc > 1) {
    const auto labels = ocr::Labels::Read(argv[1]);
    if (!labels.ok()) {
      std::cerr << labels.status().message() << '\n';
      return 1;
    }
    Text(words, *labels);
  }
  return 0;
}
