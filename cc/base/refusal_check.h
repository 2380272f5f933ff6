// What fuzz targets hold errors to.
#ifndef CC_BASE_REFUSAL_CHECK_H_
#define CC_BASE_REFUSAL_CHECK_H_

#include <algorithm>
#include <initializer_list>

#include "absl/status/status.h"
#include "bazel/fuzz/check.h"
#include "cc/base/text.h"

namespace base {

// Of what is refused the error has one of these codes, and is text.
inline void CheckRefusal(const absl::Status& status,
                         std::initializer_list<absl::StatusCode> codes) {
  fuzz::Check(
      std::find(codes.begin(), codes.end(), status.code()) != codes.end(),
      "what is refused is the client's matter", status.ToString());
  fuzz::Check(IsUtf8(status.message()) && !status.message().empty(),
              "errors are text", status.message());
}

}  // namespace base

#endif  // CC_BASE_REFUSAL_CHECK_H_
