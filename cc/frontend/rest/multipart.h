// The files of a form: multipart/form-data (RFC 7578), as browsers and curl -F
// send them.
#ifndef CC_FRONTEND_REST_MULTIPART_H_
#define CC_FRONTEND_REST_MULTIPART_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rest {

struct Part {
  std::string name;   // of the field
  bool file = false;  // it has a file's name
  absl::Cord content;
};

// What a Content-Type says that the parts are between; nullopt: it is no form.
// INVALID_ARGUMENT: it is one, and does not say it as RFC 2046 wants.
absl::StatusOr<std::optional<std::string>> FormBoundary(
    absl::string_view content_type);

// The parts of a body, which share its memory. INVALID_ARGUMENT: it is no form,
// or has more than `max_parts`.
absl::StatusOr<std::vector<Part>> ReadForm(absl::Cord body,
                                           absl::string_view boundary,
                                           size_t max_parts);

}  // namespace rest

#endif  // CC_FRONTEND_REST_MULTIPART_H_
