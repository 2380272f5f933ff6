// The path of a URL.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/frontend/rest/route.h"

namespace rest {
namespace {

std::string PercentEncode(absl::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
  }
  return out;
}

// What follows the name of a model, and a version; nullptr: no model is named.
const char* Tail(infer::Endpoint endpoint) {
  switch (endpoint) {
    case infer::Endpoint::kModel:
      return "";
    case infer::Endpoint::kModelReady:
      return "/ready";
    case infer::Endpoint::kInfer:
      return "/infer";
    case infer::Endpoint::kConfig:
      return "/config";
    case infer::Endpoint::kStatistics:
      return "/stats";
    case infer::Endpoint::kLoad:
      return "/load";
    case infer::Endpoint::kUnload:
      return "/unload";
    default:
      return nullptr;
  }
}

bool Same(const Route& a, const Route& b) {
  return a.endpoint == b.endpoint && a.model == b.model &&
         a.version == b.version;
}

}  // namespace
}  // namespace rest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view path = fuzz::Text(data, size);
  const rest::Route route = rest::ParseRoute(path);
  rest::IsPost(route.endpoint);
  if (!absl::EndsWith(path, "/") && route.endpoint != infer::Endpoint::kNone) {
    fuzz::Check(rest::Same(rest::ParseRoute(absl::StrCat(path, "/")), route),
                "a final slash changes nothing", path);
  }
  const char* const tail = rest::Tail(route.endpoint);
  const bool named =
      tail != nullptr &&
      (route.endpoint != infer::Endpoint::kStatistics || !route.model.empty());
  fuzz::Check(named == !route.model.empty(), "a model is named or not", path);
  if (!named) return 0;
  const bool control = route.endpoint == infer::Endpoint::kLoad ||
                       route.endpoint == infer::Endpoint::kUnload;
  std::string again =
      absl::StrCat(control ? "/v2/repository/models/" : "/v2/models/",
                   rest::PercentEncode(route.model));
  if (!route.version.empty()) {
    absl::StrAppend(&again, "/versions/", rest::PercentEncode(route.version));
  }
  fuzz::Check(rest::Same(rest::ParseRoute(absl::StrCat(again, tail)), route),
              "it leads there however it is written", path);
  return 0;
}
