#include "cc/ocr/read_page.h"

#include <chrono>
#include <utility>

namespace ocr {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

absl::StatusOr<std::vector<TextLine>> ReadPage(const Page& page,
                                               const PageModels& models,
                                               const ModelFiles& files,
                                               const PageOptions& options,
                                               PageTimes* times) {
  const Clock::time_point begun = Clock::now();
  const auto map = models.detector(DetectorInput(page, files.normalisation));
  if (!map.ok()) return Named("detector", map.status());
  auto lines = FindLines(page, *map, files.boxes);
  if (!lines.ok()) return Named("detector", lines.status());
  const Clock::time_point found = Clock::now();
  if (models.classifier && !lines->empty()) {
    const auto turned = models.classifier(ClassifierInput(*lines));
    const absl::Status status =
        turned.ok() ? TurnLines(*turned, options, &*lines) : turned.status();
    if (!status.ok()) return Named("classifier", status);
  }
  for (Batch& batch : RecogniserBatches(*lines, models.form)) {
    const auto scores = models.recogniser(std::move(batch.input));
    const absl::Status status =
        scores.ok() ? ReadLines(*scores, files.labels, batch, &*lines)
                    : scores.status();
    if (!status.ok()) return Named("recogniser", status);
  }
  if (times != nullptr) {
    *times = {Milliseconds(found - begun), Milliseconds(Clock::now() - found)};
  }
  return lines;
}

}  // namespace ocr
