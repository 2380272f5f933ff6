#include "cc/ocr/page_settings.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ocr {
namespace {

template <typename T>
absl::Status Check(const char* name, T value, const Bounds<T>& bounds) {
  if (value >= bounds.least && value <= bounds.most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, ", it must be from ", bounds.least,
                   " to ", bounds.most));
}

}  // namespace

absl::StatusOr<PageOptions> PageSettings::Options() const {
  if (std::find(kLimits.begin(), kLimits.end(), limit) == kLimits.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit is ", limit, ", it must be one of ",
                     absl::StrJoin(kLimits, ", ")));
  }
  for (const absl::Status& status :
       {Check("side", side, kSide),
        Check("longest_side", longest_side, kLongestSide),
        Check("box_score", box_score.value_or(kScore.least), kScore),
        Check("unclip_ratio", unclip_ratio.value_or(kUnclipRatio.least),
              kUnclipRatio),
        Check("min_score", min_score, kScore)}) {
    if (!status.ok()) return status;
  }
  PageOptions options;
  options.detector.limit = limit == "min" ? Limit::kMin : Limit::kMax;
  options.detector.side = static_cast<int>(side);
  options.detector.most = static_cast<int>(longest_side) / 32 * 32;
  options.box_score = box_score;
  options.unclip_ratio = unclip_ratio;
  options.score = min_score;
  return options;
}

}  // namespace ocr
