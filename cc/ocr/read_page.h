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

// What the steps of a page took, in milliseconds.
struct PageTimes {
  double detect = 0;  // to find its lines
  double read = 0;    // and then to read them
};

absl::StatusOr<std::vector<TextLine>> ReadPage(const Page& page,
                                               const PageModels& models,
                                               const ModelFiles& files,
                                               const PageOptions& options,
                                               PageTimes* times = nullptr);

}  // namespace ocr

#endif  // CC_OCR_READ_PAGE_H_
