// How pictures are read: flags of `serve` and of `ocr`.
#ifndef CC_SERVER_OCR_FLAGS_H_
#define CC_SERVER_OCR_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "cc/ocr/reader.h"

namespace server {

struct OcrFlags {
  // Names of models in the repository.
  std::string detector;
  std::string recogniser;
  std::string classifier;
  std::string limit = "min";
  int64_t side = 736;
  int64_t longest_side = 5888;
  std::optional<double> box_score;
  std::optional<double> unclip_ratio;
  double min_score = 0.5;
  int64_t max_pictures = 16;

  void Register(CLI::App* app);

  // nullopt: no model is named. INVALID_ARGUMENT: half of a pipeline is.
  absl::StatusOr<std::optional<ocr::ReaderOptions>> Options() const;
};

}  // namespace server

#endif  // CC_SERVER_OCR_FLAGS_H_
