// What the models of a pipeline say of themselves, by their files and inputs.
#ifndef CC_OCR_MODEL_FILES_H_
#define CC_OCR_MODEL_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/tensor_spec.h"
#include "cc/ocr/page.h"

namespace ocr {

// What lies beside a detector and a recogniser: characters.txt or, without it,
// inference.yml (inference_yml.h).
struct ModelFiles {
  Normalisation normalisation;
  BoxOptions boxes;
  Labels labels;
};

// Of two models' directories. Errors name the model, the file and its line.
absl::StatusOr<ModelFiles> ReadFiles(const std::string& detector,
                                     const std::string& recogniser,
                                     const PageOptions& options);

// FAILED_PRECONDITION, with a sentence: it takes no pictures.
absl::Status CheckModel(const std::string& name,
                        const std::vector<base::TensorSpec>& inputs,
                        const std::vector<base::TensorSpec>& outputs);

// By the shape of a recogniser's input.
LineForm FormOf(const std::vector<int64_t>& shape);

// An error, with the part of the pipeline that it is of.
absl::Status Named(const char* part, const absl::Status& status);

}  // namespace ocr

#endif  // CC_OCR_MODEL_FILES_H_
