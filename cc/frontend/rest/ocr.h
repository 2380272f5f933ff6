// Pictures whose text is asked for: POST /v1/ocr. The body is a picture as it
// is, or a form (multipart/form-data) with one or several in its files.
//
//   {"pages":[{"width":960,"height":640,
//              "lines":[{"text":"...","score":0.99,
//                        "box":[[x,y],[x,y],[x,y],[x,y]]}],
//              "milliseconds":{"decode":4.1,"detect":121.0,"read":105.3}}]}
//
// Corners are in pixels of the picture as it is seen, clockwise from the first
// of the text; lines are in the order in which people read them.
#ifndef CC_FRONTEND_REST_OCR_H_
#define CC_FRONTEND_REST_OCR_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "cc/infer/call.h"
#include "cc/infer/tensor.h"

namespace rest {

// What the model is asked. `form`: what the parts of a form are between.
absl::StatusOr<infer::Request> OcrRequest(
    absl::Cord body, const std::optional<std::string>& form);

// The JSON of what it answers.
std::string OcrAnswer(const std::vector<infer::Tensor>& outputs);

}  // namespace rest

#endif  // CC_FRONTEND_REST_OCR_H_
