// The headers traceparent and tracestate.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/text.h"
#include "cc/base/trace_context.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text = fuzz::Text(data, size);
  if (base::IsTraceState(text)) {
    fuzz::Check(base::IsUtf8(text) && text.size() <= base::kMaxTraceState,
                "a state is short text", text);
  }
  const auto parent = base::ParseTraceParent(text);
  if (!parent) return 0;
  fuzz::Check(parent->valid() && parent->span != 0, "ids are not zero", text);
  const char flags = static_cast<char>(parent->flags);
  const std::string written =
      absl::StrCat("00-", parent->trace.Hex(), "-", base::HexOf(parent->span),
                   "-", absl::BytesToHexString(absl::string_view(&flags, 1)));
  const auto again = base::ParseTraceParent(written);
  fuzz::Check(again && again->trace.high == parent->trace.high &&
                  again->trace.low == parent->trace.low &&
                  again->span == parent->span && again->flags == parent->flags,
              "it is the same caller", written);
  return 0;
}
