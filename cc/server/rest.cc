#include "cc/server/rest.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cc/server/decode.h"
#include "cc/server/encode.h"
#include "cc/server/log.h"

namespace server {
namespace {

// Clients choose names and ids; what they choose is quoted up to here.
constexpr size_t kMaxError = 2000;
constexpr size_t kMaxLogged = 500;

absl::string_view EndpointName(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kServer:
      return "server";
    case Endpoint::kLive:
      return "live";
    case Endpoint::kReady:
      return "ready";
    case Endpoint::kModel:
      return "model";
    case Endpoint::kModelReady:
      return "model_ready";
    case Endpoint::kInfer:
      return "infer";
    case Endpoint::kIndex:
      return "index";
    case Endpoint::kMetrics:
      return "metrics";
    case Endpoint::kNone:
      break;
  }
  return "none";
}

bool IsPost(Endpoint endpoint) {
  return endpoint == Endpoint::kInfer || endpoint == Endpoint::kIndex;
}

// nullopt where a % is not followed by two hexadecimal digits.
std::optional<std::string> PercentDecode(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    uint32_t value = 0;
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(text[i + 1]) ||
        !absl::ascii_isxdigit(text[i + 2]) ||
        !absl::SimpleHexAtoi(text.substr(i + 1, 2), &value)) {
      return std::nullopt;
    }
    out.push_back(static_cast<char>(value));
    i += 2;
  }
  return out;
}

HttpResponse ErrorResponse(int status, absl::string_view message) {
  HttpResponse response;
  response.status = status;
  response.body = EncodeError(message);
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

int64_t Microseconds(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration)
      .count();
}

}  // namespace

struct RestHandler::Exchange {
  Clock::time_point start = Clock::now();
  std::string method;
  std::string path;
  Route route;
  size_t bytes_in = 0;
  HttpReply reply;
  // Of inference:
  const Model* model = nullptr;
  InferRequest request;
  Timing timing;
  std::string error;  // what the client is told, if it is an error
};

Route ParseRoute(absl::string_view path) {
  if (path == "/metrics") return {Endpoint::kMetrics, "", ""};
  std::vector<absl::string_view> parts =
      absl::StrSplit(path.substr(std::min<size_t>(1, path.size())), '/');
  if (parts[0] != "v2") return {};
  parts.erase(parts.begin());
  // A final slash changes nothing.
  if (!parts.empty() && parts.back().empty()) parts.pop_back();
  const size_t n = parts.size();
  if (n == 0) return {Endpoint::kServer, "", ""};
  if (n == 2 && parts[0] == "health") {
    if (parts[1] == "live") return {Endpoint::kLive, "", ""};
    if (parts[1] == "ready") return {Endpoint::kReady, "", ""};
  }
  if (n == 2 && parts[0] == "repository" && parts[1] == "index") {
    return {Endpoint::kIndex, "", ""};
  }
  if (n < 2 || parts[0] != "models") return {};
  const auto name = PercentDecode(parts[1]);
  if (!name.has_value() || name->empty()) return {};
  Route route;
  route.model = *name;
  size_t next = 2;
  if (n >= 4 && parts[2] == "versions") {
    // A version that is no number is unknown, which the repository will say.
    route.version = std::string(parts[3]);
    if (route.version.empty()) return {};
    next = 4;
  }
  if (n == next) {
    route.endpoint = Endpoint::kModel;
  } else if (n == next + 1 && parts[next] == "ready") {
    route.endpoint = Endpoint::kModelReady;
  } else if (n == next + 1 && parts[next] == "infer") {
    route.endpoint = Endpoint::kInfer;
  }
  return route;
}

int HttpStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

RestHandler::RestHandler(Service* service, Registry* registry)
    : service_(service),
      registry_(registry),
      requests_(registry->AddCounter(
          "paddle_server_requests_total",
          "HTTP requests answered; model and version are empty where no model "
          "was found.",
          {"endpoint", "model", "version", "code"})),
      durations_(registry->AddHistogram(
          "paddle_server_request_duration_seconds",
          "Time from a request's last byte to its answer.",
          {"endpoint", "model", "version"})) {}

void RestHandler::Handle(HttpRequest request, HttpReply reply) {
  auto exchange = std::make_shared<Exchange>();
  exchange->method = request.method;
  exchange->path = std::string(request.path());
  exchange->route = ParseRoute(request.path());
  exchange->bytes_in = request.body.size();
  exchange->reply = std::move(reply);

  const Endpoint endpoint = exchange->route.endpoint;
  if (endpoint == Endpoint::kNone) {
    return Fail(exchange.get(), 404,
                absl::StrCat("unknown path ", exchange->path));
  }
  const bool allowed =
      IsPost(endpoint) ? request.method == "POST"
                       : request.method == "GET" || request.method == "HEAD";
  if (!allowed) {
    return Fail(exchange.get(), 405,
                absl::StrCat("method ", request.method, " is not served here"),
                {{"Allow", IsPost(endpoint) ? "POST" : "GET, HEAD"}});
  }
  if (!exchange->route.model.empty()) {
    const auto model = service_->repository().Find(exchange->route.model,
                                                   exchange->route.version);
    if (!model.ok()) return Fail(exchange.get(), model.status());
    exchange->model = *model;
  }
  if (endpoint == Endpoint::kInfer) {
    const std::string* encoding = request.Header("Content-Encoding");
    if (encoding != nullptr && *encoding != "identity") {
      return Fail(exchange.get(), 415,
                  absl::StrCat("Content-Encoding ", *encoding,
                               " is not served; send the body as it is"));
    }
    if (const absl::Status status = StartInfer(exchange, request);
        !status.ok()) {
      Fail(exchange.get(), status);
    }
    return;
  }
  auto response = Answer(*exchange);
  if (!response.ok()) return Fail(exchange.get(), response.status());
  Finish(*exchange, *std::move(response));
}

absl::StatusOr<HttpResponse> RestHandler::Answer(const Exchange& exchange) {
  HttpResponse response;
  switch (exchange.route.endpoint) {
    case Endpoint::kServer:
      response.body = EncodeServerMetadata(kServerName, kServerVersion);
      break;
    case Endpoint::kLive:
      response.body = "{\"live\":true}";
      break;
    case Endpoint::kReady:
      if (!service_->ready()) {
        return absl::UnavailableError("the server is shutting down");
      }
      response.body = "{\"ready\":true}";
      break;
    case Endpoint::kModel:
      response.body = EncodeModelMetadata(
          exchange.model->info(),
          service_->repository().Versions(exchange.route.model));
      break;
    case Endpoint::kModelReady:
      if (!service_->ready()) {
        return absl::UnavailableError("the server is shutting down");
      }
      response.body = EncodeModelReady(exchange.model->info());
      break;
    case Endpoint::kIndex: {
      std::vector<const ModelInfo*> models;
      for (const Model* model : service_->repository().All()) {
        models.push_back(&model->info());
      }
      response.body = EncodeRepositoryIndex(models);
      break;
    }
    case Endpoint::kMetrics:
      response.content_type = "text/plain; version=0.0.4; charset=utf-8";
      response.body = registry_->Text();
      break;
    case Endpoint::kInfer:
    case Endpoint::kNone:
      return absl::InternalError("no answer to this endpoint");
  }
  return response;
}

absl::Status RestHandler::StartInfer(const std::shared_ptr<Exchange>& exchange,
                                     const HttpRequest& request) {
  std::optional<size_t> json_size;
  if (const std::string* header = request.Header(kJsonLengthHeader)) {
    uint64_t size = 0;
    if (!absl::SimpleAtoi(*header, &size)) {
      return absl::InvalidArgumentError(
          absl::StrCat("malformed header ", kJsonLengthHeader));
    }
    json_size = size;
  }
  // Decoding is done here, on the server's thread: it is short against what a
  // request may take in the engine, and only what is well-formed is queued.
  const Model& model = *exchange->model;
  auto decoded = json_size == size_t{0}
                     ? DecodeRawRequest(model.info(), request.body)
                     : DecodeInferRequest(request.body, json_size);
  if (!decoded.ok()) return decoded.status();
  exchange->request = *std::move(decoded);
  return service_->Infer(
      model, &exchange->request,
      [this, exchange](absl::StatusOr<std::vector<engine::Tensor>> results,
                       const Timing& timing) {
        exchange->timing = timing;
        if (!results.ok()) {
          return Fail(exchange.get(), results.status());
        }
        auto encoded = EncodeInferResponse(exchange->model->info(),
                                           exchange->request, *results);
        if (!encoded.ok()) {
          return Fail(exchange.get(), encoded.status());
        }
        HttpResponse response;
        response.body = std::move(encoded->body);
        if (encoded->json_size.has_value()) {
          response.content_type = "application/octet-stream";
          response.headers.emplace_back(kJsonLengthHeader,
                                        absl::StrCat(*encoded->json_size));
        }
        Finish(*exchange, std::move(response));
      });
}

void RestHandler::Fail(
    Exchange* exchange, int status, absl::string_view message,
    std::vector<std::pair<std::string, std::string>> headers) {
  exchange->error = std::string(message.substr(0, kMaxError));
  HttpResponse response = ErrorResponse(status, exchange->error);
  for (auto& header : headers) response.headers.push_back(std::move(header));
  Finish(*exchange, std::move(response));
}

void RestHandler::Fail(Exchange* exchange, const absl::Status& status) {
  const absl::string_view message = status.message();
  Fail(exchange, HttpStatus(status), message);
}

void RestHandler::Finish(const Exchange& exchange, HttpResponse response) {
  const Clock::duration duration = Clock::now() - exchange.start;
  const Endpoint endpoint = exchange.route.endpoint;
  const std::string name(EndpointName(endpoint));
  // Names of models that do not exist would be labels without bound.
  const std::string model =
      exchange.model != nullptr ? exchange.model->info().name : "";
  const std::string version =
      exchange.model != nullptr ? exchange.model->info().version : "";
  requests_.With({name, model, version, absl::StrCat(response.status)}).Add();
  durations_.With({name, model, version}).Observe(Seconds(duration));

  LogFields fields = {
      {"method", exchange.method},
      {"path", exchange.path.substr(0, kMaxLogged)},
      {"status", int64_t{response.status}},
      {"bytes_in", static_cast<int64_t>(exchange.bytes_in)},
      {"bytes_out", static_cast<int64_t>(response.body.size())},
      {"duration_us", Microseconds(duration)},
  };
  if (!model.empty()) {
    fields.emplace_back("model", model);
    fields.emplace_back("version", version);
  }
  if (!exchange.request.id.empty()) {
    fields.emplace_back("id", exchange.request.id.substr(0, kMaxLogged));
  }
  if (exchange.timing.compute.count() > 0) {
    fields.emplace_back("queue_us", Microseconds(exchange.timing.queue));
    fields.emplace_back("compute_us", Microseconds(exchange.timing.compute));
  }
  if (!exchange.error.empty()) fields.emplace_back("error", exchange.error);
  // Probes and scrapes come every few seconds and tell nothing.
  const bool routine =
      response.status == 200 &&
      (endpoint == Endpoint::kLive || endpoint == Endpoint::kReady ||
       endpoint == Endpoint::kMetrics);
  Log(response.status >= 500 ? LogLevel::kWarning
      : routine              ? LogLevel::kDebug
                             : LogLevel::kInfo,
      "request", fields);
  exchange.reply(std::move(response));
}

HttpResponse RestHandler::Refuse(const HttpError& error) {
  requests_.With({"refused", "", "", absl::StrCat(error.status)}).Add();
  Log(LogLevel::kInfo, "refused",
      {{"status", int64_t{error.status}}, {"error", error.message}});
  return ErrorResponse(error.status, error.message);
}

void RestHandler::OnDrain() { service_->BeginDrain(); }

}  // namespace server
