#include "cc/frontend/rest/cors.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"

namespace rest {
namespace {

// What scripts may read besides what browsers let them read anyway.
constexpr char kExposed[] = "Inference-Header-Content-Length, Retry-After";
// In which a browser need not ask again; Chromium's bound is two hours.
constexpr char kMaxAge[] = "600";

}  // namespace

Cors::Cors(std::vector<std::string> origins)
    : origins_(std::move(origins)),
      any_(std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) {
}

absl::Status Cors::CheckOrigin(absl::string_view origin) {
  if (origin == "*" || origin == "null") return absl::OkStatus();
  const size_t scheme = origin.find("://");
  const absl::string_view host =
      scheme == origin.npos ? "" : origin.substr(scheme + 3);
  const bool plain = std::none_of(origin.begin(), origin.end(), [](char c) {
    return absl::ascii_isupper(static_cast<unsigned char>(c)) || c <= ' ' ||
           c >= 0x7f;
  });
  if (!plain || scheme == 0 || host.empty() ||
      host.find_first_of("/?#@*,") != host.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        base::Quote(origin),
        " is no origin: it should be like https://app.example.com or "
        "http://localhost:3000, in small letters and without a path"));
  }
  return absl::OkStatus();
}

bool Cors::Allows(absl::string_view origin) const {
  return any_ ||
         std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

http::Headers Cors::Headers(const http::Request* request) const {
  if (origins_.empty()) return {};
  http::Headers headers;
  if (any_) {
    headers.emplace_back("Access-Control-Allow-Origin", "*");
  } else {
    // Of every answer, so that a cache gives none to the wrong origin.
    headers.emplace_back("Vary", "Origin");
    const std::string* const origin =
        request != nullptr ? request->Header("Origin") : nullptr;
    if (origin == nullptr || !Allows(*origin)) return headers;
    headers.emplace_back("Access-Control-Allow-Origin", *origin);
  }
  headers.emplace_back("Access-Control-Expose-Headers", kExposed);
  return headers;
}

bool Cors::IsPreflight(const http::Request& request) const {
  return !origins_.empty() && request.method == "OPTIONS" &&
         request.Header("Origin") != nullptr &&
         request.Header("Access-Control-Request-Method") != nullptr;
}

absl::Status Cors::Check(const http::Request& request) const {
  const std::string* const origin = request.Header("Origin");
  if (origin != nullptr && Allows(*origin)) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      "pages of the origin ", base::Quote(origin != nullptr ? *origin : ""),
      " are not let in (--cors_origins)"));
}

// No header changes what a request may do here, so those that a page wants to
// send are allowed as they are; their values are checked when they come.
http::Response Cors::Preflight(std::string methods,
                               std::string wanted_headers) {
  http::Response response;
  response.status = 204;
  response.headers = {{"Access-Control-Allow-Methods", std::move(methods)},
                      {"Access-Control-Max-Age", kMaxAge},
                      {"Vary", "Access-Control-Request-Headers"}};
  if (!wanted_headers.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Headers",
                                  std::move(wanted_headers));
  }
  return response;
}

}  // namespace rest
