// In which format a scraper of /metrics wants them.
#ifndef CC_FRONTEND_REST_ACCEPT_H_
#define CC_FRONTEND_REST_ACCEPT_H_

#include "absl/strings/string_view.h"
#include "cc/base/metrics_format.h"

namespace rest {

// By the header Accept (RFC 9110 12.5.1): what it likes best of what is written
// here, of two that it likes as well the first, and text where it names none.
base::MetricsFormat AcceptedMetrics(absl::string_view accept);

}  // namespace rest

#endif  // CC_FRONTEND_REST_ACCEPT_H_
