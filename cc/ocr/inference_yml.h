// inference.yml, which PaddleOCR and PaddleX write beside a model that they
// export: what the model was trained to be given, and how its answers are read.
//
// Of a detector: PreProcess.transform_ops with NormalizeImage (mean, std),
// PostProcess (DBPostProcess: thresh, box_thresh, unclip_ratio,
// max_candidates, use_dilation). Of a recogniser: PostProcess.character_dict.
// How large a page becomes is the server's to say, not the model's, as in
// PaddleX's pipelines.
#ifndef CC_OCR_INFERENCE_YML_H_
#define CC_OCR_INFERENCE_YML_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/ocr/text/boxes.h"
#include "cc/ocr/text/detector_input.h"

namespace ocr {

struct InferenceYml {
  std::optional<Normalisation> normalisation;
  std::optional<BoxOptions> boxes;
  std::string characters;  // one on each line; empty: it names none
};

// Of the text of a file. INVALID_ARGUMENT says where, by `name`, and what.
absl::StatusOr<InferenceYml> ParseInferenceYml(const std::string& text,
                                               absl::string_view name);

// Of the file in a model's directory; nothing, where there is none.
absl::StatusOr<InferenceYml> ReadInferenceYml(const std::string& directory);

}  // namespace ocr

#endif  // CC_OCR_INFERENCE_YML_H_
