#include "cc/frontend/rest/route.h"

#include <cstddef>
#include <utility>

#include "absl/strings/strip.h"
#include "cc/base/text.h"

namespace rest {
namespace {

using infer::Endpoint;

// Takes the text before the first slash, which goes with it. False where that
// is no name.
bool TakeName(absl::string_view* path, std::string* name) {
  const size_t slash = path->find('/');
  const absl::string_view part = path->substr(0, slash);
  path->remove_prefix(slash == path->npos ? path->size() : slash + 1);
  return base::PercentDecode(part, name) && !name->empty();
}

// What follows /v2/models/; none of it is empty.
Route ParseModel(absl::string_view path) {
  Route route;
  if (!TakeName(&path, &route.model)) return {};
  if (absl::ConsumePrefix(&path, "versions/")) {
    // A version that is no number is unknown, which the repository will say.
    if (!TakeName(&path, &route.version)) return {};
  }
  if (path.empty()) {
    route.endpoint = Endpoint::kModel;
  } else if (path == "ready") {
    route.endpoint = Endpoint::kModelReady;
  } else if (path == "infer") {
    route.endpoint = Endpoint::kInfer;
  } else if (path == "config") {
    route.endpoint = Endpoint::kConfig;
  } else if (path == "stats") {
    route.endpoint = Endpoint::kStatistics;
  } else {
    return {};
  }
  return route;
}

// What follows /v2/repository/models/.
Route ParseControl(absl::string_view path) {
  std::string name;
  if (!TakeName(&path, &name)) return {};
  if (path == "load") return {Endpoint::kLoad, std::move(name), ""};
  if (path == "unload") return {Endpoint::kUnload, std::move(name), ""};
  return {};
}

}  // namespace

Route ParseRoute(absl::string_view path) {
  if (path == "/") return {Endpoint::kPage, "", ""};
  absl::ConsumeSuffix(&path, "/");
  if (path == "/ocr") {
    return {Endpoint::kOcrPage, std::string(kOcrModel), ""};
  }
  if (path == "/metrics") return {Endpoint::kMetrics, "", ""};
  if (path == "/v1/ocr") return {Endpoint::kOcr, std::string(kOcrModel), ""};
  if (!absl::ConsumePrefix(&path, "/v2")) return {};
  if (path.empty()) return {Endpoint::kServer, "", ""};
  if (path == "/models/stats") return {Endpoint::kStatistics, "", ""};
  if (absl::ConsumePrefix(&path, "/models/")) return ParseModel(path);
  if (absl::ConsumePrefix(&path, "/repository/models/")) {
    return ParseControl(path);
  }
  if (path == "/health/live") return {Endpoint::kLive, "", ""};
  if (path == "/health/ready") return {Endpoint::kReady, "", ""};
  if (path == "/repository/index") return {Endpoint::kIndex, "", ""};
  return {};
}

absl::string_view TemplateOf(const Route& route) {
  const auto of_model = [&](absl::string_view plain,
                            absl::string_view with_version) {
    return route.version.empty() ? plain : with_version;
  };
  switch (route.endpoint) {
    case Endpoint::kServer:
      return "/v2";
    case Endpoint::kLive:
      return "/v2/health/live";
    case Endpoint::kReady:
      return "/v2/health/ready";
    case Endpoint::kModel:
      return of_model("/v2/models/{model}",
                      "/v2/models/{model}/versions/{version}");
    case Endpoint::kModelReady:
      return of_model("/v2/models/{model}/ready",
                      "/v2/models/{model}/versions/{version}/ready");
    case Endpoint::kInfer:
      return of_model("/v2/models/{model}/infer",
                      "/v2/models/{model}/versions/{version}/infer");
    case Endpoint::kConfig:
      return of_model("/v2/models/{model}/config",
                      "/v2/models/{model}/versions/{version}/config");
    case Endpoint::kStatistics:
      if (route.model.empty()) return "/v2/models/stats";
      return of_model("/v2/models/{model}/stats",
                      "/v2/models/{model}/versions/{version}/stats");
    case Endpoint::kIndex:
      return "/v2/repository/index";
    case Endpoint::kLoad:
      return "/v2/repository/models/{model}/load";
    case Endpoint::kUnload:
      return "/v2/repository/models/{model}/unload";
    case Endpoint::kMetrics:
      return "/metrics";
    case Endpoint::kPage:
      return "/";
    case Endpoint::kOcr:
      return "/v1/ocr";
    case Endpoint::kOcrPage:
      return "/ocr";
    case Endpoint::kNone:
    case Endpoint::kRefused:
      break;
  }
  return "";
}

bool IsPost(Endpoint endpoint) {
  return endpoint == Endpoint::kInfer || endpoint == Endpoint::kIndex ||
         endpoint == Endpoint::kLoad || endpoint == Endpoint::kUnload ||
         endpoint == Endpoint::kOcr;
}

}  // namespace rest
