// A page from its file to its lines, step after step in the thread that asks.
// (The server's way, where models are others' too, is reader.h.)
#ifndef CC_OCR_READ_PAGE_H_
#define CC_OCR_READ_PAGE_H_

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "cc/infer/tensor.h"
#include "cc/ocr/model_files.h"
#include "cc/ocr/page.h"

namespace ocr {

// Runs a model on its one input, for its first output.
using Run = std::function<absl::StatusOr<infer::Tensor>(Input input)>;

struct PageModels {
  Run detector;
  Run recogniser;
  Run classifier;  // empty: lines are taken to stand upright
  LineForm form;   // of the recogniser
};

absl::StatusOr<std::vector<TextLine>> ReadPage(const Page& page,
                                               const PageModels& models,
                                               const ModelFiles& files,
                                               const PageOptions& options);

}  // namespace ocr

#endif  // CC_OCR_READ_PAGE_H_
