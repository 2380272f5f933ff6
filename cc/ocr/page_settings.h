// How pages are read, in words for people: the flags of the server and the
// arguments of Python's reader have their names, defaults and bounds from here.
#ifndef CC_OCR_PAGE_SETTINGS_H_
#define CC_OCR_PAGE_SETTINGS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cc/ocr/page.h"

namespace ocr {

template <typename T>
struct Bounds {
  T least;
  T most;
};

inline constexpr std::array<const char*, 2> kLimits = {"min", "max"};
inline constexpr Bounds<int64_t> kSide = {32, 4096};
inline constexpr Bounds<int64_t> kLongestSide = {32, 16384};
inline constexpr Bounds<double> kScore = {0, 1};
inline constexpr Bounds<double> kUnclipRatio = {0, 10};

struct PageSettings {
  // "min": a page is made larger for the detector until its shorter side has
  // `side` pixels. "max": or smaller, until its longer one has.
  std::string limit = "min";
  int64_t side = DetectorOptions().side;
  // And its longer side has so many pixels at most.
  int64_t longest_side = DetectorOptions().most;
  // nullopt: as the detector's inference.yml says, or BoxOptions.
  std::optional<double> box_score;
  std::optional<double> unclip_ratio;
  // Lines whose score is below are left out.
  double min_score = PageOptions().score;

  // INVALID_ARGUMENT: one of them is out of its bounds.
  absl::StatusOr<PageOptions> Options() const;
};

}  // namespace ocr

#endif  // CC_OCR_PAGE_SETTINGS_H_
