// What a path leads to:
//
//   /                                       a page for people
//   /ocr                                    a page that reads pictures
//   /v2                                     server metadata
//   /v2/health/live, /v2/health/ready
//   /v2/models/M[/versions/V]               model metadata
//   /v2/models/M[/versions/V]/ready
//   /v2/models/M[/versions/V]/infer
//   /v2/models/M[/versions/V]/config        Triton's extensions, from here on
//   /v2/models/M[/versions/V]/stats
//   /v2/models/stats                        of all models
//   /v2/repository/index
//   /v2/repository/models/M/load, .../unload
//   /v1/ocr                                 pictures, see ocr.h
//   /metrics                                Prometheus text
#ifndef CC_FRONTEND_REST_ROUTE_H_
#define CC_FRONTEND_REST_ROUTE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "cc/infer/core.h"

namespace rest {

// The model that /v1/ocr asks.
inline constexpr absl::string_view kOcrModel = "ocr";

struct Route {
  infer::Endpoint endpoint = infer::Endpoint::kNone;
  std::string model;
  std::string version;  // empty: the highest
};

// `path` as sent, percent-encoded. A final slash changes nothing.
Route ParseRoute(absl::string_view path);

// The path with what clients choose left open: "/v2/models/{model}/infer".
// Empty where there is none.
absl::string_view TemplateOf(const Route& route);

// Whether a request's method is POST; else it is GET or HEAD.
bool IsPost(infer::Endpoint endpoint);

}  // namespace rest

#endif  // CC_FRONTEND_REST_ROUTE_H_
