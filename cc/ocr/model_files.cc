#include "cc/ocr/model_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/ocr/inference_yml.h"

namespace ocr {
namespace {

absl::StatusOr<Labels> ReadLabels(const std::string& directory,
                                  const InferenceYml& yml) {
  auto labels = Labels::Read(directory + "/characters.txt");
  if (!absl::IsNotFound(labels.status()) || yml.characters.empty()) {
    return labels;
  }
  return Labels::Parse(yml.characters, directory + "/inference.yml");
}

}  // namespace

absl::StatusOr<ModelFiles> ReadFiles(const std::string& detector,
                                     const std::string& recogniser,
                                     const PageOptions& options) {
  const auto of_detector = ReadInferenceYml(detector);
  if (!of_detector.ok()) return Named("detector", of_detector.status());
  const auto of_recogniser = ReadInferenceYml(recogniser);
  if (!of_recogniser.ok()) return Named("recogniser", of_recogniser.status());
  auto labels = ReadLabels(recogniser, *of_recogniser);
  if (!labels.ok()) return Named("recogniser", labels.status());
  BoxOptions boxes = of_detector->boxes.value_or(BoxOptions());
  boxes.score = options.box_score.value_or(boxes.score);
  boxes.unclip_ratio = options.unclip_ratio.value_or(boxes.unclip_ratio);
  return ModelFiles{of_detector->normalisation.value_or(Normalisation()), boxes,
                    *std::move(labels)};
}

absl::Status CheckModel(const std::string& name,
                        const std::vector<base::TensorSpec>& inputs,
                        const std::vector<base::TensorSpec>& outputs) {
  if (inputs.size() == 1 && !outputs.empty() &&
      inputs[0].dtype == base::DataType::kFloat32 &&
      inputs[0].shape.size() == 4) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the model ", base::Quote(name),
      " is none for pictures: those have one input, FP32 [-1,3,-1,-1]"));
}

LineForm FormOf(const std::vector<int64_t>& shape) {
  LineForm form;
  form.grey = shape[1] == 1;
  if (shape[2] > 0) form.height = static_cast<int>(shape[2]);
  return form;
}

absl::Status Named(const char* part, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), absl::StrCat("the ", part, ": ", status.message())};
}

}  // namespace ocr
