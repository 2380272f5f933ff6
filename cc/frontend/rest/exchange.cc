#include "cc/frontend/rest/exchange.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/encode.h"

namespace rest {
namespace {

using infer::Endpoint;

// Clients choose names and ids; what they choose is told back up to here.
constexpr size_t kMaxError = 2000;

}  // namespace

int HttpStatus(const absl::Status& status, const infer::Timing& timing) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kResourceExhausted:
      return timing.batch_calls > 0 ? 500 : 503;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

http::Response Json(std::string body) {
  http::Response response;
  response.body = absl::Cord(std::move(body));
  return response;
}

http::Response MakeRefusal(const Refusal& refusal, std::string* told) {
  const std::string error(base::Clip(refusal.message, kMaxError));
  http::Response response = Json(EncodeError(error));
  response.status = refusal.status;
  response.headers = refusal.headers;
  if (refusal.status == 503) response.headers.emplace_back("Retry-After", "1");
  if (told != nullptr) *told = error;
  return response;
}

Exchange::Exchange(infer::Core* core, coding::Coders* coders,
                   const http::Request& request, http::Headers headers)
    : core(core),
      coders(coders),
      method(request.method),
      path(request.path()),
      headers(std::move(headers)) {}

void Exchange::ReadHeaders(const http::Request& request) {
  std::string codings;  // a list, which may stand in several headers
  for (const auto& [name, value] : request.headers) {
    caller.OnHeader(name, value);
    if (absl::EqualsIgnoreCase(name, "Accept-Encoding")) {
      absl::StrAppend(&codings, ",", value);
    }
  }
  accepted = coding::AcceptedCoding(codings);
}

// Errors go as they are: tritonclient reads them so, whatever it asked for.
void Exchange::Send(http::Response response) {
  if (response.status != 200 ||
      response.body.size() < coding::Coders::kLeastCompressed) {
    return SendAsItIs(std::move(response));
  }
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (accepted == coding::Coding::kIdentity) {
    return SendAsItIs(std::move(response));
  }
  Compress(std::move(response));
}

// Where it gains nothing, or there is no room for it, the answer goes as it is:
// what is computed is not thrown away.
void Exchange::Compress(http::Response response) {
  const absl::Cord plain = response.body;
  coders->Deflate(
      accepted, plain, [self = shared_from_this()] { return !self->gone; },
      [self = shared_from_this(), response = std::move(response)](
          absl::StatusOr<absl::Cord> coded) mutable {
        if (coded.ok() && coded->size() < response.body.size()) {
          response.body = *std::move(coded);
          response.headers.emplace_back("Content-Encoding",
                                        coding::NameOf(self->accepted));
        }
        self->SendAsItIs(std::move(response));
      });
}

void Exchange::SendAsItIs(http::Response response) {
  AddHeaders(&response);
  Record(response);
  reply->Send(std::move(response));
}

void Exchange::Refuse(const Refusal& refusal) {
  Send(rest::MakeRefusal(refusal, &error));
}

http::Response Exchange::MakeRefusal(const Refusal& refusal) {
  http::Response response = rest::MakeRefusal(refusal, &error);
  AddHeaders(&response);
  return response;
}

void Exchange::AddHeaders(http::Response* response) const {
  response->headers.insert(response->headers.end(), headers.begin(),
                           headers.end());
}

void Exchange::Fail(const absl::Status& status) {
  Refuse({HttpStatus(status, timing), std::string(status.message())});
}

void Exchange::Record(const http::Response& response) const {
  infer::Access access;
  access.endpoint = route.endpoint;
  access.method = method;
  access.path = path;
  access.route = TemplateOf(route);
  access.servable = servable;
  access.code = response.status;
  access.failed = response.status >= 500;
  access.routine =
      response.status == 200 && (route.endpoint == Endpoint::kLive ||
                                 route.endpoint == Endpoint::kReady ||
                                 route.endpoint == Endpoint::kMetrics);
  access.bytes_in = bytes_in;
  access.bytes_out = response.body.size();
  access.start = start;
  access.id = id;
  access.caller = &caller;
  access.error = error;
  access.timing = &timing;
  core->Record(access);
}

}  // namespace rest
