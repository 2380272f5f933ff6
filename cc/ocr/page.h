// A picture on its way to text, step by step: what happens to it between the
// models' runs. Pure functions, for any thread.
#ifndef CC_OCR_PAGE_H_
#define CC_OCR_PAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/base/byte_budget.h"
#include "cc/infer/tensor.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/picture.h"
#include "cc/ocr/text/boxes.h"
#include "cc/ocr/text/ctc.h"
#include "cc/ocr/text/detector_input.h"
#include "cc/ocr/text/labels.h"
#include "cc/ocr/text/lines.h"

namespace ocr {

struct PageOptions {
  Limits limits;
  DetectorOptions detector;
  // In place of what the detector's files say, see BoxOptions.
  std::optional<double> box_score;
  std::optional<double> unclip_ratio;
  // A line whose score is below is no text.
  double score = 0.5;
  // A line stands on its head where the classifier is surer of it than this.
  float turned = 0.9f;
};

// Values for a model.
struct Input {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

struct Page {
  Size original;
  DetectorPlan plan;
  // What lines are cut out of: plan.page, with its bars.
  Picture picture;
  base::Charge charge;  // for the memory that all of this takes
};

// Decodes a file. RESOURCE_EXHAUSTED: there is no room for it just now.
absl::StatusOr<Page> Open(absl::string_view file, const PageOptions& options,
                          base::ByteBudget* budget);

Input DetectorInput(const Page& page, const Normalisation& normalisation);

struct TextLine {
  Box box;            // on the page's picture
  size_t begins = 0;  // the corner of the box where the text does
  Picture crop;       // upright
  std::string text;   // UTF-8
  double score = 0;
};

// The lines that a detector's map [1,1,height,width] tells of, in the order of
// reading. FAILED_PRECONDITION: it is no such map.
absl::StatusOr<std::vector<TextLine>> FindLines(const Page& page,
                                                const infer::Tensor& map,
                                                const BoxOptions& options);

// For the classifier: all lines.
Input ClassifierInput(const std::vector<TextLine>& lines);

// Turns those that stand on their heads, by the classifier's [lines,2].
absl::Status TurnLines(const infer::Tensor& scores, const PageOptions& options,
                       std::vector<TextLine>* lines);

// What a recogniser takes.
struct LineForm {
  int height = kLineHeight;
  bool grey = false;  // one channel instead of three
};

// Lines that are read in one run, by RapidOCR's rule (text/lines.h).
struct Batch {
  std::vector<size_t> lines;
  Input input;
};
std::vector<Batch> RecogniserBatches(const std::vector<TextLine>& lines,
                                     const LineForm& form);

// Takes the text of a batch's lines from the recogniser's
// [lines,steps,classes].
absl::Status ReadLines(const infer::Tensor& scores, const Labels& labels,
                       const Batch& batch, std::vector<TextLine>* lines);

// A box's corners, in pixels of the picture as it is seen.
std::array<PagePoint, 4> OnOriginal(const Box& box, const Page& page);

// {"width":960,"height":640,"lines":[{"text":"...","score":0.99,
//  "box":[[x,y],[x,y],[x,y],[x,y]]}]}: corners in pixels of the picture as it
// is seen, clockwise from the first of the text.
std::string PageJson(const Page& page, const std::vector<TextLine>& lines,
                     const PageOptions& options);

}  // namespace ocr

#endif  // CC_OCR_PAGE_H_
