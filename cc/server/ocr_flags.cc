#include "cc/server/ocr_flags.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace server {
namespace {

template <typename T>
CLI::Range Within(const ocr::Bounds<T>& bounds) {
  return CLI::Range(bounds.least, bounds.most);
}

}  // namespace

void OcrFlags::Register(CLI::App* app) {
  app->add_option("--ocr_detector", detector,
                  "Model that finds lines of text in pictures, as PP-OCR's "
                  "detectors do; with --ocr_recogniser it makes the model "
                  "`ocr`, and POST /v1/ocr.");
  app->add_option(
      "--ocr_recogniser", recogniser,
      "Model that reads such a line; characters.txt lies beside it, "
      "or PaddleOCR's inference.yml.");
  app->add_option("--ocr_classifier", classifier,
                  "Model that says whether a line stands on its head; without "
                  "it none does.");
  app->add_option("--ocr_limit", page.limit,
                  "A page is made larger for the detector until its shorter "
                  "side has --ocr_side pixels (min), or smaller until its "
                  "longer one has (max).")
      ->check(CLI::IsMember(
          std::vector<std::string>(ocr::kLimits.begin(), ocr::kLimits.end())));
  app->add_option("--ocr_side", page.side, "See --ocr_limit.")
      ->check(Within(ocr::kSide));
  app->add_option("--ocr_longest_side", page.longest_side,
                  "And its longer side has so many pixels at most: the "
                  "detector's memory goes with its area.")
      ->check(Within(ocr::kLongestSide));
  app->add_option("--ocr_box_score", page.box_score,
                  "What the detector gives a line at least, from 0 to 1; "
                  "without it as inference.yml beside it says, or 0.5.")
      ->check(Within(ocr::kScore));
  app->add_option("--ocr_unclip_ratio", page.unclip_ratio,
                  "How far boxes reach beyond the middle of lines; more gives "
                  "lines more margin. Without it as inference.yml says, or "
                  "1.6.")
      ->check(Within(ocr::kUnclipRatio));
  app->add_option("--ocr_min_score", page.min_score,
                  "Lines whose score is below, from 0 to 1, are left out.")
      ->check(Within(ocr::kScore));
  app->add_option("--ocr_max_pictures", max_pictures,
                  "Pictures that one request may have; more get 400.")
      ->check(CLI::Range(1, 1024));
}

absl::StatusOr<std::optional<ocr::ReaderOptions>> OcrFlags::Options() const {
  if (detector.empty() && recogniser.empty() && classifier.empty()) {
    return std::nullopt;
  }
  if (detector.empty() || recogniser.empty()) {
    return absl::InvalidArgumentError(
        "to read pictures takes both --ocr_detector and --ocr_recogniser: "
        "names of models in the repository");
  }
  ocr::ReaderOptions options;
  options.detector = detector;
  options.recogniser = recogniser;
  options.classifier = classifier;
  auto of_page = page.Options();
  if (!of_page.ok()) return of_page.status();
  options.page = *std::move(of_page);
  options.max_pictures = max_pictures;
  return options;
}

}  // namespace server
