#include "cc/ocr/read_page.h"

#include <utility>

namespace ocr {

absl::StatusOr<std::vector<TextLine>> ReadPage(const Page& page,
                                               const PageModels& models,
                                               const ModelFiles& files,
                                               const PageOptions& options) {
  const auto map = models.detector(DetectorInput(page, files.normalisation));
  if (!map.ok()) return Named("detector", map.status());
  auto lines = FindLines(page, *map, files.boxes);
  if (!lines.ok()) return Named("detector", lines.status());
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
  return lines;
}

}  // namespace ocr
