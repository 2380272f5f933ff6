// Who asks, as headers of every protocol tell it: traceparent, tracestate and
// x-request-id.
#ifndef CC_BASE_CALLER_H_
#define CC_BASE_CALLER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "cc/base/trace_context.h"

namespace base {

class Caller {
 public:
  // Any header of the request, in their order; the name in any case. Which
  // stands twice: traceparent counts as absent, tracestate as one list
  // (sections 3.2 and 3.3.1), of x-request-id the first.
  void OnHeader(absl::string_view name, absl::string_view value);

  // Not valid where the headers are not.
  TraceParent Trace() const;
  // Cut to a bound.
  const std::string& request_id() const { return request_id_; }

 private:
  TraceParent parent_;
  bool has_parent_ = false;
  std::string state_;
  std::string request_id_;
};

}  // namespace base

#endif  // CC_BASE_CALLER_H_
