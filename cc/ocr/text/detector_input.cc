#include "cc/ocr/text/detector_input.h"

#include <algorithm>
#include <cmath>

#include "cc/ocr/text/planes.h"

namespace ocr {
namespace {

// The nearest multiple of 32, of two as near the even one, as Python rounds.
int Multiple(int side) {
  return static_cast<int>(std::nearbyint(side / 32.)) * 32;
}

Size Scaled(const Size& size, double ratio) {
  return {Multiple(static_cast<int>(size.width * ratio)),
          Multiple(static_cast<int>(size.height * ratio))};
}

// RapidOCR refuses what rounds to nothing; here it is the least there is.
Size AtLeast32(const Size& size) {
  return {std::max(size.width, 32), std::max(size.height, 32)};
}

}  // namespace

DetectorPlan PlanDetection(const Size& page, const DetectorOptions& options) {
  DetectorPlan plan;
  plan.page = page;
  const auto longer = [](const Size& s) { return std::max(s.width, s.height); };
  const auto shorter = [](const Size& s) {
    return std::min(s.width, s.height);
  };
  if (longer(plan.page) > options.page_most) {
    plan.page = AtLeast32(Scaled(
        plan.page, static_cast<double>(options.page_most) / longer(plan.page)));
  }
  if (shorter(plan.page) < options.page_least) {
    plan.page =
        AtLeast32(Scaled(plan.page, static_cast<double>(options.page_least) /
                                        shorter(plan.page)));
    if (longer(plan.page) > options.page_most) {
      // Longer than any page; RapidOCR goes on with it.
      plan.page =
          AtLeast32({std::min(plan.page.width, options.page_most / 32 * 32),
                     std::min(plan.page.height, options.page_most / 32 * 32)});
    }
  }
  const double w = plan.page.width, h = plan.page.height;
  if (plan.page.height <= options.low || w / h > options.broad) {
    const int high =
        2 * std::max(static_cast<int>(w / options.broad), options.low);
    plan.bar = std::abs(high - plan.page.height) / 2;
  }
  const Size barred = plan.barred();
  double ratio = 1;
  if (options.limit == Limit::kMax) {
    if (longer(barred) > options.side) {
      ratio = static_cast<double>(options.side) / longer(barred);
    }
  } else if (shorter(barred) < options.side) {
    ratio = static_cast<double>(options.side) / shorter(barred);
  }
  plan.input = Scaled(barred, ratio);
  if (longer(plan.input) > options.most) {
    plan.input =
        Scaled(barred, static_cast<double>(options.most) / longer(barred));
  }
  plan.input = AtLeast32(plan.input);
  return plan;
}

PagePoint OnOriginal(const PagePoint& point, const DetectorPlan& plan,
                     const Size& original) {
  const auto scaled = [](float value, int from, int to) {
    const auto ratio =
        static_cast<float>(static_cast<double>(to) / static_cast<double>(from));
    return std::min(std::max(value * ratio, 0.f), static_cast<float>(to));
  };
  return {scaled(point.x, plan.page.width, original.width),
          scaled(point.y - static_cast<float>(plan.bar), plan.page.height,
                 original.height)};
}

void FillDetector(const uint8_t* pixels, const Size& size,
                  const Normalisation& normalisation, float* input) {
  // NumPy multiplies floats, and subtracts and divides doubles.
  const auto scale = static_cast<float>(1 / 255.);
  FillPlanes(pixels, size.width, size.height, size.width, input,
             [&](size_t channel, int value) {
               const float scaled = static_cast<float>(value) * scale;
               return static_cast<float>(
                   (static_cast<double>(scaled) - normalisation.mean[channel]) /
                   normalisation.deviation[channel]);
             });
}

}  // namespace ocr
