// Who asked: W3C Trace Context, level 1, of a request.
// https://www.w3.org/TR/trace-context-1/
#ifndef CC_BASE_TRACE_CONTEXT_H_
#define CC_BASE_TRACE_CONTEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace base {

struct TraceId {
  uint64_t high = 0;
  uint64_t low = 0;

  // All zeroes: none.
  bool valid() const { return (high | low) != 0; }
  std::string Hex() const;  // 32 digits, lower case
};

// What the caller says. Without a valid trace there is no caller.
struct TraceParent {
  TraceId trace;
  uint64_t span = 0;
  uint8_t flags = 0;
  std::string state;  // tracestate, as sent; empty: none

  bool valid() const { return trace.valid(); }
  bool sampled() const { return (flags & 1) != 0; }
};

// The header `traceparent`. nullopt where it is not valid; what follows the
// flags is read past in versions above 00.
std::optional<TraceParent> ParseTraceParent(absl::string_view header);

// Whether the header `tracestate` is one: up to 32 members KEY=VALUE, no key
// twice.
inline constexpr size_t kMaxTraceState = 512;  // bytes
bool IsTraceState(absl::string_view header);

// One request in its trace: the caller's, or one that begins here.
struct TraceContext {
  // Continues the caller's trace if there is one, else begins one. No system
  // call.
  static TraceContext Of(TraceParent parent);

  TraceId trace;
  uint64_t span = 0;   // of this request
  TraceParent parent;  // not valid: the trace begins here
};

// Not zero. Ids are no secrets: they come from a fast generator, one for each
// thread.
uint64_t NewSpanId();

// 16 digits, lower case.
std::string HexOf(uint64_t span);

// Whether a trace belongs to a share of all: by its id, so that all who ask of
// the same trace get the same answer, and a larger share holds a smaller one.
class TraceShare {
 public:
  // From 0, none, to 1, all.
  explicit TraceShare(double share);
  bool none() const { return below_ == 0; }
  bool Has(const TraceId& trace) const {
    // OpenTelemetry's samplers look at the same 63 bits.
    return (trace.low >> 1) < below_;
  }

 private:
  const uint64_t below_;
};

}  // namespace base

#endif  // CC_BASE_TRACE_CONTEXT_H_
