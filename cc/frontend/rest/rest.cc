#include "cc/frontend/rest/rest.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/decode.h"
#include "cc/frontend/rest/encode.h"

namespace rest {
namespace {

using infer::Clock;
using infer::Endpoint;

// Clients choose names and ids; what they choose is told back up to here.
constexpr size_t kMaxError = 2000;
// Requests with large JSON that wait; each holds its body, which is charged.
constexpr size_t kMaxWaiting = 64;
// nginx's code for a client that went; nobody gets it.
constexpr int kClientGone = 499;

http::Response Json(std::string body) {
  http::Response response;
  response.body = absl::Cord(std::move(body));
  return response;
}

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

}  // namespace

struct Handler::Refusal {
  int status = 400;
  std::string message;
  http::Headers headers = {};
};

struct Handler::Exchange {
  explicit Exchange(const http::Request& request)
      : method(request.method), path(request.path()) {}

  const Clock::time_point start = Clock::now();
  const std::string method;
  const std::string path;
  Route route;
  size_t bytes_in = 0;
  std::shared_ptr<http::Reply> reply;
  std::shared_ptr<infer::Servable> servable;
  // Of inference:
  std::optional<size_t> json_size;
  infer::Request request;
  BinaryOutputs binary;
  std::weak_ptr<infer::Call> call;
  std::string id;
  std::vector<infer::Tensor> outputs;
  infer::Timing timing;
  bool gone = false;  // nobody waits for the answer

  std::string error;  // what the client is told, if it is an error
};

int HttpStatus(const absl::Status& status, const infer::Timing& timing) {
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
      return timing.batch_calls > 0 ? 500 : 503;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

Handler::Handler(base::Loop* loop, infer::Core* core, const Options& options)
    : core_(core), options_(options), helper_(loop, kMaxWaiting) {}

Handler::~Handler() = default;

std::vector<std::string> Handler::SingleHeaders() const {
  return {std::string(kJsonLengthHeader), "Content-Encoding"};
}

std::optional<http::Response> Handler::CheckHead(const http::Request& head,
                                                 uint64_t declared_body_bytes) {
  Exchange exchange(head);
  const auto refusal = Check(head, declared_body_bytes, &exchange);
  if (!refusal) return std::nullopt;
  http::Response response = MakeRefusal(*refusal, &exchange);
  Record(exchange, response);
  return response;
}

std::optional<Handler::Refusal> Handler::Check(const http::Request& request,
                                               uint64_t body_bytes,
                                               Exchange* exchange) {
  exchange->route = ParseRoute(exchange->path);
  const Endpoint endpoint = exchange->route.endpoint;
  if (endpoint == Endpoint::kNone) {
    return Refusal{404,
                   absl::StrCat("unknown path ", base::Quote(exchange->path))};
  }
  const bool post = IsPost(endpoint);
  const bool allowed =
      post ? request.method == "POST"
           : request.method == "GET" || request.method == "HEAD";
  if (!allowed) {
    return Refusal{405,
                   absl::StrCat("method ", base::Clip(request.method, 20),
                                " is not served here"),
                   {{"Allow", post ? "POST" : "GET, HEAD"}}};
  }
  if (!exchange->route.model.empty()) {
    auto found = core_->Find(exchange->route.model, exchange->route.version);
    if (!found.ok()) {
      return Refusal{HttpStatus(found.status()),
                     std::string(found.status().message())};
    }
    exchange->servable = *std::move(found);
  }
  if (endpoint == Endpoint::kInfer) {
    return CheckInfer(request, body_bytes, exchange);
  }
  return std::nullopt;
}

std::optional<Handler::Refusal> Handler::CheckInfer(
    const http::Request& request, uint64_t body_bytes, Exchange* exchange) {
  if (core_->closed()) return Refusal{503, "the server is shutting down"};
  const std::string* encoding = request.Header("Content-Encoding");
  if (encoding != nullptr && !encoding->empty() &&
      !absl::EqualsIgnoreCase(*encoding, "identity")) {
    return Refusal{415,
                   absl::StrCat("Content-Encoding ", base::Quote(*encoding),
                                " is not served; send the body as it is")};
  }
  const auto json_size = JsonSize(request);
  if (!json_size.ok()) {
    return Refusal{400, std::string(json_size.status().message())};
  }
  exchange->json_size = *json_size;
  const size_t bytes = json_size->value_or(body_bytes);
  if (bytes > options_.max_json_bytes) {
    return Refusal{413,
                   absl::StrCat("the JSON of the request has ", bytes,
                                " bytes; at most ", options_.max_json_bytes,
                                " (--max_json_bytes) are read; send tensors as "
                                "binary data, which is not bounded by it")};
  }
  return std::nullopt;
}

void Handler::Handle(http::Request request,
                     std::shared_ptr<http::Reply> reply) {
  const auto exchange = std::make_shared<Exchange>(request);
  exchange->bytes_in = request.body.size();
  exchange->reply = std::move(reply);
  if (const auto refusal =
          Check(request, request.body.size(), exchange.get())) {
    return Send(exchange.get(), MakeRefusal(*refusal, exchange.get()));
  }
  if (exchange->route.endpoint != Endpoint::kInfer) {
    return Answer(exchange, request.body);
  }
  // Weak: what the exchange holds would hold it.
  exchange->reply->OnGone([this, alive = std::weak_ptr<const bool>(alive_),
                           weak = std::weak_ptr<Exchange>(exchange)] {
    const auto gone = weak.lock();
    if (gone == nullptr || alive.expired()) return;
    gone->gone = true;
    if (const auto call = gone->call.lock()) {
      gone->timing = call->timing;
      call->Cancel();
    }
    gone->error = "the client is gone";
    http::Response nothing;
    nothing.status = kClientGone;
    Record(*gone, nothing);
  });
  Decode(exchange, std::move(request.body));
}

void Handler::Answer(const std::shared_ptr<Exchange>& exchange,
                     const absl::Cord& body) {
  const auto not_ready = [&](absl::string_view why) {
    Fail(exchange.get(), absl::UnavailableError(why));
  };
  switch (exchange->route.endpoint) {
    case Endpoint::kServer:
      return Send(exchange.get(),
                  Json(EncodeServerMetadata(kServerName, kServerVersion)));
    case Endpoint::kLive:
      return Send(exchange.get(), Json("{\"live\":true}"));
    case Endpoint::kReady:
      if (!core_->ready()) return not_ready(core_->not_ready_reason());
      return Send(exchange.get(), Json("{\"ready\":true}"));
    case Endpoint::kModel:
      return Send(exchange.get(),
                  Json(EncodeModelMetadata(
                      exchange->servable->info(),
                      core_->repository().Versions(exchange->route.model))));
    case Endpoint::kModelReady:
      if (core_->draining()) return not_ready(core_->not_ready_reason());
      return Send(exchange.get(),
                  Json(EncodeModelReady(exchange->servable->info())));
    case Endpoint::kIndex: {
      const auto ready_only = DecodeIndexRequest(body);
      if (!ready_only.ok()) return Fail(exchange.get(), ready_only.status());
      return Send(exchange.get(),
                  Json(EncodeRepositoryIndex(core_->repository().Index(),
                                             *ready_only)));
    }
    case Endpoint::kMetrics: {
      http::Response response = Json(core_->registry().Text());
      response.content_type = "text/plain; version=0.0.4; charset=utf-8";
      return Send(exchange.get(), std::move(response));
    }
    case Endpoint::kInfer:
    case Endpoint::kNone:
    case Endpoint::kRefused:
      break;
  }
  Fail(exchange.get(), absl::InternalError("no answer to this endpoint"));
}

void Handler::Decode(const std::shared_ptr<Exchange>& exchange,
                     absl::Cord body) {
  // What the helper thread and the loop share; it is the loop's at the end.
  struct Job {
    base::ByteBudget* budget;
    size_t charge = 0;
    Body body;
    // Until it is done, which takes memory.
    absl::StatusOr<InferRequest> result = absl::ResourceExhaustedError(
        "the server has no memory to read this request just now");
    ~Job() { budget->Release(charge); }
  };
  base::ByteBudget* const budget = &core_->budget();
  const size_t json_bytes =
      std::min(exchange->json_size.value_or(body.size()), body.size());
  const size_t charge = json_bytes * kParserBytesPerByte;
  if (!budget->Take(charge)) {
    if (charge > budget->limit()) {
      return Send(
          exchange.get(),
          MakeRefusal({413, absl::StrCat("to read ", json_bytes,
                                         " bytes of JSON takes ", charge,
                                         " bytes of memory, and the server "
                                         "has ",
                                         budget->limit(),
                                         " for all requests; send tensors as "
                                         "binary data")},
                      exchange.get()));
    }
    return Fail(exchange.get(), absl::ResourceExhaustedError(absl::StrCat(
                                    "the server has no room to read ",
                                    json_bytes, " bytes of JSON just now")));
  }
  auto job = std::make_shared<Job>();
  job->budget = budget;
  job->charge = charge;
  job->body = {true, std::move(body), exchange->json_size};
  const auto work = [this, exchange, job] {
    const infer::ModelInfo& info = exchange->servable->info();
    job->result = exchange->json_size == size_t{0}
                      ? DecodeRawRequest(info, job->body.bytes)
                      : DecodeInferRequest(info, job->body, &core_->budget());
  };
  const auto done = [this, alive = std::weak_ptr<const bool>(alive_), exchange,
                     job] {
    if (alive.expired() || exchange->gone) return;
    if (!job->result.ok()) return Fail(exchange.get(), job->result.status());
    exchange->request = std::move(job->result->request);
    exchange->binary = std::move(job->result->binary);
    job->body.bytes.Clear();
    Infer(exchange);
  };
  if (json_bytes <= options_.small_json_bytes) {
    work();
    done();
  } else if (!helper_.Run(work, done)) {
    Fail(exchange.get(), absl::ResourceExhaustedError(
                             "too many requests with large JSON wait"));
  }
}

void Handler::Infer(const std::shared_ptr<Exchange>& exchange) {
  exchange->id = exchange->request.id;
  auto call = std::make_shared<infer::Call>(
      std::move(exchange->request),
      [this, alive = std::weak_ptr<const bool>(alive_),
       exchange](infer::Call* finished) {
        if (alive.expired()) return;
        exchange->timing = finished->timing;
        if (!finished->status.ok()) {
          return Fail(exchange.get(), finished->status);
        }
        exchange->outputs = std::move(finished->outputs);
        Encode(exchange);
      });
  exchange->call = call;
  core_->Infer(exchange->servable, std::move(call));
}

void Handler::Encode(const std::shared_ptr<Exchange>& exchange) {
  auto result =
      std::make_shared<absl::StatusOr<InferResponse>>(absl::UnavailableError(
          "the server has no memory to write this answer just now"));
  const auto work = [exchange, result] {
    *result = EncodeInferResponse(exchange->servable->info(), exchange->id,
                                  exchange->binary, exchange->outputs);
  };
  const auto done = [this, alive = std::weak_ptr<const bool>(alive_), exchange,
                     result] {
    if (alive.expired() || exchange->gone) return;
    if (!result->ok()) return Fail(exchange.get(), result->status());
    http::Response response;
    response.body = std::move((*result)->body);
    if ((*result)->json_size.has_value()) {
      response.content_type = "application/octet-stream";
      response.headers.emplace_back(kJsonLengthHeader,
                                    absl::StrCat(*(*result)->json_size));
    }
    Send(exchange.get(), std::move(response));
  };
  const size_t bytes = BytesAsJson(exchange->binary, exchange->outputs);
  // What is computed is not thrown away: where the thread has too much to do,
  // the loop writes.
  if (bytes <= options_.small_json_bytes || !helper_.Run(work, done)) {
    work();
    done();
  }
}

http::Response Handler::MakeRefusal(const Refusal& refusal,
                                    Exchange* exchange) {
  exchange->error = std::string(base::Clip(refusal.message, kMaxError));
  http::Response response = Json(EncodeError(exchange->error));
  response.status = refusal.status;
  response.headers = refusal.headers;
  if (refusal.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

void Handler::Fail(Exchange* exchange, const absl::Status& status) {
  Send(exchange, MakeRefusal({HttpStatus(status, exchange->timing),
                              std::string(status.message())},
                             exchange));
}

void Handler::Send(Exchange* exchange, http::Response response) {
  Record(*exchange, response);
  exchange->reply->Send(std::move(response));
}

void Handler::Record(const Exchange& exchange, const http::Response& response) {
  const Endpoint endpoint = exchange.route.endpoint;
  infer::Access access;
  access.endpoint = endpoint;
  access.method = exchange.method;
  access.path = exchange.path;
  access.servable = exchange.servable;
  access.code = response.status;
  access.failed = response.status >= 500;
  access.routine = response.status == 200 && (endpoint == Endpoint::kLive ||
                                              endpoint == Endpoint::kReady ||
                                              endpoint == Endpoint::kMetrics);
  access.bytes_in = exchange.bytes_in;
  access.bytes_out = response.body.size();
  access.start = exchange.start;
  access.id = exchange.id;
  access.error = exchange.error;
  access.timing = &exchange.timing;
  core_->Record(access);
}

http::Response Handler::Refuse(const http::Error& error) {
  http::Response response =
      Json(EncodeError(base::Clip(error.message, kMaxError)));
  response.status = error.status;
  if (error.status == 503) response.headers.emplace_back("Retry-After", "1");
  infer::Access access;
  access.endpoint = Endpoint::kRefused;
  access.code = error.status;
  access.error = error.message;
  access.start = Clock::now();
  core_->Record(access);
  return response;
}

}  // namespace rest
