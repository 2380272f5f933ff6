#include "cc/base/caller.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"

namespace base {
namespace {

constexpr absl::string_view kParent = "traceparent";
constexpr absl::string_view kState = "tracestate";
constexpr absl::string_view kRequestId = "x-request-id";
constexpr size_t kMaxRequestId = 200;

bool Is(absl::string_view name, absl::string_view wanted) {
  return name.size() == wanted.size() && absl::EqualsIgnoreCase(name, wanted);
}

}  // namespace

void Caller::OnHeader(absl::string_view name, absl::string_view value) {
  if (Is(name, kParent)) {
    parent_ = has_parent_ ? TraceParent()
                          : ParseTraceParent(value).value_or(TraceParent());
    has_parent_ = true;
  } else if (Is(name, kState)) {
    // What is longer is not valid, and need not be kept.
    const absl::string_view start = value.substr(0, kMaxTraceState + 1);
    if (state_.size() <= kMaxTraceState) {
      absl::StrAppend(&state_, state_.empty() ? "" : ",", start);
    }
  } else if (Is(name, kRequestId) && request_id_.empty()) {
    request_id_ = std::string(Clip(value, kMaxRequestId));
  }
}

TraceParent Caller::Trace() const {
  TraceParent parent = parent_;
  if (parent.valid() && IsTraceState(state_)) parent.state = state_;
  return parent;
}

}  // namespace base
