// What a request is for, and why it is refused, as far as its head tells. Part
// of rest.cc.
#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/frontend/coding/coding.h"
#include "cc/frontend/rest/decode.h"
#include "cc/frontend/rest/exchange.h"
#include "cc/frontend/rest/multipart.h"
#include "cc/frontend/rest/rest.h"

namespace rest {
namespace {

using infer::Endpoint;

// nullopt where there is no such header; digits only.
absl::StatusOr<std::optional<size_t>> JsonSize(const http::Request& request) {
  const std::string* header = request.Header(kJsonLengthHeader);
  if (header == nullptr) return std::optional<size_t>();
  uint64_t size = 0;
  if (header->empty() ||
      !std::all_of(header->begin(), header->end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(*header, &size)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header ", kJsonLengthHeader, " is ",
                     base::Quote(*header), ", which is no number of bytes"));
  }
  return std::optional<size_t>(size);
}

// 415, as RFC 9110 15.5.16 has it, where the body's coding is not served.
std::optional<Refusal> CheckCoding(const http::Request& request,
                                   coding::Coding* coding) {
  const std::string* header = request.Header("Content-Encoding");
  if (header == nullptr) return std::nullopt;
  const auto found = coding::ContentCoding(*header);
  if (!found) {
    return Refusal{415,
                   absl::StrCat("Content-Encoding ", base::Quote(*header),
                                " is not served; one of ", coding::kServed,
                                " is, or the body as it is"),
                   {{"Accept-Encoding", std::string(coding::kServed)}}};
  }
  *coding = *found;
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> Handler::Check(const http::Request& request,
                                      uint64_t body_bytes, Exchange* exchange) {
  exchange->route = ParseRoute(exchange->path);
  const Endpoint endpoint = exchange->route.endpoint;
  if (endpoint == Endpoint::kNone) {
    return Refusal{404,
                   absl::StrCat("unknown path ", base::Quote(exchange->path))};
  }
  const bool post = IsPost(endpoint);
  const char* const methods = post ? "POST" : "GET, HEAD";
  if (cors_.IsPreflight(request)) {
    if (absl::Status status = cors_.Check(request); !status.ok()) {
      return Refusal{HttpStatus(status), std::string(status.message())};
    }
    const std::string* const wanted =
        request.Header("Access-Control-Request-Headers");
    exchange->preflight =
        Cors::Preflight(methods, wanted != nullptr ? *wanted : "");
    return std::nullopt;
  }
  const bool allowed =
      post ? request.method == "POST"
           : request.method == "GET" || request.method == "HEAD";
  if (!allowed) {
    return Refusal{405,
                   absl::StrCat("method ", base::Clip(request.method, 20),
                                " is not served here"),
                   {{"Allow", methods}}};
  }
  const bool control =
      endpoint == Endpoint::kLoad || endpoint == Endpoint::kUnload;
  if (control) {
    if (absl::Status status = core_->CheckControl(); !status.ok()) {
      return Refusal{HttpStatus(status), std::string(status.message())};
    }
  }
  if (!exchange->route.model.empty() && !control &&
      endpoint != Endpoint::kStatistics) {
    auto found = core_->Find(exchange->route.model, exchange->route.version);
    if (absl::IsNotFound(found.status()) &&
        (endpoint == Endpoint::kOcr || endpoint == Endpoint::kOcrPage)) {
      return Refusal{404,
                     "no text is read here: start the server with "
                     "--ocr_detector and --ocr_recogniser"};
    }
    if (!found.ok()) {
      return Refusal{HttpStatus(found.status()),
                     std::string(found.status().message())};
    }
    exchange->servable = *std::move(found);
  }
  if (post) {
    if (auto refusal = CheckCoding(request, &exchange->coding)) return refusal;
  }
  if (endpoint == Endpoint::kInfer) {
    return CheckInfer(request, body_bytes, exchange);
  }
  if (endpoint == Endpoint::kOcr) return CheckOcr(request, exchange);
  return std::nullopt;
}

std::optional<Refusal> Handler::CheckInfer(const http::Request& request,
                                           uint64_t body_bytes,
                                           Exchange* exchange) {
  if (core_->closed()) return Refusal{503, "the server is shutting down"};
  const auto json_size = JsonSize(request);
  if (!json_size.ok()) {
    return Refusal{400, std::string(json_size.status().message())};
  }
  exchange->json_size = *json_size;
  // What a compressed body comes to is seen when it has.
  const size_t bytes = json_size->value_or(
      exchange->coding == coding::Coding::kIdentity ? body_bytes : 0);
  if (bytes > options_.max_json_bytes) {
    return Refusal{413, absl::StrCat("the JSON of the request has ", bytes,
                                     " bytes; ", MostJson(options_))};
  }
  return std::nullopt;
}

std::optional<Refusal> Handler::CheckOcr(const http::Request& request,
                                         Exchange* exchange) const {
  if (core_->closed()) return Refusal{503, "the server is shutting down"};
  const std::string* const type = request.Header("Content-Type");
  auto boundary = FormBoundary(type != nullptr ? *type : "");
  if (!boundary.ok()) {
    return Refusal{400, std::string(boundary.status().message())};
  }
  exchange->form = *std::move(boundary);
  return std::nullopt;
}

}  // namespace rest
