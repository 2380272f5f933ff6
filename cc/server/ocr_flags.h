// How pictures are read: flags of `serve` and of `ocr`.
#ifndef CC_SERVER_OCR_FLAGS_H_
#define CC_SERVER_OCR_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "cc/ocr/page_settings.h"
#include "cc/ocr/reader.h"

namespace server {

struct OcrFlags {
  // Names of models in the repository.
  std::string detector;
  std::string recogniser;
  std::string classifier;
  ocr::PageSettings page;
  int64_t max_pictures = 16;

  void Register(CLI::App* app);

  // nullopt: no model is named. INVALID_ARGUMENT: half of a pipeline is.
  absl::StatusOr<std::optional<ocr::ReaderOptions>> Options() const;
};

}  // namespace server

#endif  // CC_SERVER_OCR_FLAGS_H_
