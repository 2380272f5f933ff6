#include "cc/frontend/rest/rest.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/frontend/rest/accept.h"
#include "cc/frontend/rest/decode.h"
#include "cc/frontend/rest/encode.h"
#include "cc/frontend/rest/exchange.h"
#include "cc/frontend/rest/ocr.h"
#include "cc/frontend/rest/page.h"
#include "cc/frontend/rest/triton.h"

namespace rest {
namespace {

using infer::Clock;
using infer::Endpoint;

// Requests with large JSON that wait; each holds its body, which is charged.
constexpr size_t kMaxWaiting = 64;
// nginx's code for a client that went; nobody gets it.
constexpr int kClientGone = 499;

}  // namespace

Handler::Handler(base::Loop* loop, infer::Core* core, const Options& options)
    : core_(core),
      options_(options),
      cors_(options.cors_origins),
      coders_(loop, &core->budget()),
      helper_(loop, kMaxWaiting) {}

Handler::~Handler() = default;

std::vector<std::string> Handler::SingleHeaders() const {
  return {std::string(kJsonLengthHeader), "Content-Encoding"};
}

std::optional<http::Response> Handler::CheckHead(const http::Request& head,
                                                 uint64_t declared_body_bytes) {
  Exchange exchange(core_, &coders_, head, cors_.Headers(&head));
  const auto refusal = Check(head, declared_body_bytes, &exchange);
  if (!refusal) return std::nullopt;
  exchange.ReadHeaders(head);
  http::Response response = exchange.MakeRefusal(*refusal);
  exchange.Record(response);
  return response;
}

void Handler::Handle(http::Request request,
                     std::shared_ptr<http::Reply> reply) {
  const auto exchange = std::make_shared<Exchange>(core_, &coders_, request,
                                                   cors_.Headers(&request));
  exchange->ReadHeaders(request);
  exchange->bytes_in = request.body.size();
  exchange->reply = std::move(reply);
  if (const auto refusal =
          Check(request, request.body.size(), exchange.get())) {
    return exchange->Refuse(*refusal);
  }
  if (exchange->route.endpoint == Endpoint::kMetrics) {
    const std::string* const accept = request.Header("Accept");
    if (accept != nullptr) exchange->metrics_format = AcceptedMetrics(*accept);
  }
  if (exchange->preflight) return exchange->Send(*exchange->preflight);
  if (exchange->route.endpoint == Endpoint::kInfer ||
      exchange->route.endpoint == Endpoint::kOcr) {
    WatchClient(exchange);
  }
  if (exchange->coding == coding::Coding::kIdentity) {
    Serve(exchange, std::move(request.body));
  } else {
    Inflate(exchange, std::move(request.body));
  }
}

void Handler::WatchClient(const std::shared_ptr<Exchange>& exchange) {
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
    gone->Record(nothing);
  });
}

std::string MostJson(const Options& options) {
  return absl::StrCat("at most ", options.max_json_bytes,
                      " (--max_json_bytes) are read; send tensors as binary "
                      "data, which is not bounded by it");
}

void Handler::Inflate(const std::shared_ptr<Exchange>& exchange,
                      absl::Cord body) {
  // All of it is JSON, if no header says how much of it is.
  const bool json = exchange->route.endpoint != Endpoint::kOcr &&
                    !exchange->json_size &&
                    options_.max_json_bytes < options_.max_body_bytes;
  coders_.Inflate(
      exchange->coding, std::move(body),
      json ? options_.max_json_bytes : options_.max_body_bytes,
      [exchange] { return !exchange->gone; },
      [this, exchange, json](absl::StatusOr<absl::Cord> plain) {
        if (plain.ok()) return Serve(exchange, *std::move(plain));
        const absl::Status& status = plain.status();
        if (absl::IsOutOfRange(status)) {
          return exchange->Refuse(
              {413, absl::StrCat("the body: ", status.message(), "; ",
                                 json ? MostJson(options_)
                                      : "no more (--max_request_bytes) are "
                                        "read")});
        }
        exchange->Fail(
            {status.code(), absl::StrCat("the body: ", status.message())});
      });
}

void Handler::Serve(const std::shared_ptr<Exchange>& exchange,
                    absl::Cord body) {
  if (exchange->route.endpoint == Endpoint::kInfer) {
    Decode(exchange, std::move(body));
  } else if (exchange->route.endpoint == Endpoint::kOcr) {
    Read(exchange, std::move(body));
  } else {
    Answer(exchange, body);
  }
}

void Handler::Answer(const std::shared_ptr<Exchange>& exchange,
                     const absl::Cord& body) {
  switch (exchange->route.endpoint) {
    case Endpoint::kServer:
      return exchange->Send(
          Json(EncodeServerMetadata(kServerName, kServerVersion)));
    case Endpoint::kLive:
      return exchange->Send(Json("{\"live\":true}"));
    case Endpoint::kReady:
      if (!core_->ready()) {
        return exchange->Fail(
            absl::UnavailableError(core_->not_ready_reason()));
      }
      return exchange->Send(Json("{\"ready\":true}"));
    case Endpoint::kModel:
      return exchange->Send(Json(EncodeModelMetadata(
          exchange->servable->info(),
          core_->repository().Versions(exchange->route.model))));
    case Endpoint::kModelReady:
      if (absl::Status ready = core_->Ready(*exchange->servable); !ready.ok()) {
        return exchange->Fail(ready);
      }
      return exchange->Send(Json(EncodeModelReady(exchange->servable->info())));
    case Endpoint::kIndex: {
      const auto ready_only = DecodeIndexRequest(body);
      if (!ready_only.ok()) return exchange->Fail(ready_only.status());
      return exchange->Send(Json(
          EncodeRepositoryIndex(core_->repository().Index(), *ready_only)));
    }
    case Endpoint::kConfig:
      return exchange->Send(
          Json(EncodeModelConfig(exchange->servable->info())));
    case Endpoint::kStatistics:
      return Statistics(exchange);
    case Endpoint::kLoad:
    case Endpoint::kUnload:
      return Control(exchange, body);
    case Endpoint::kMetrics: {
      const base::MetricsFormat format = exchange->metrics_format;
      http::Response response =
          Json(base::WriteMetrics(format, core_->registry().Read()));
      response.content_type = std::string(base::ContentType(format));
      response.headers.emplace_back("Vary", "Accept");
      return exchange->Send(std::move(response));
    }
    case Endpoint::kPage:
      return exchange->Send(Page());
    case Endpoint::kOcrPage:
      return exchange->Send(OcrPage());
    case Endpoint::kInfer:
    case Endpoint::kOcr:
    case Endpoint::kNone:
    case Endpoint::kRefused:
      break;
  }
  exchange->Fail(absl::InternalError("no answer to this endpoint"));
}

void Handler::Statistics(const std::shared_ptr<Exchange>& exchange) {
  auto models = core_->FindAll(exchange->route.model, exchange->route.version);
  if (!models.ok()) return exchange->Fail(models.status());
  exchange->Send(Json(EncodeStatistics(*models)));
}

void Handler::Control(const std::shared_ptr<Exchange>& exchange,
                      const absl::Cord& body) {
  if (absl::Status status = CheckControlRequest(body); !status.ok()) {
    return exchange->Fail(status);
  }
  const auto done = [alive = std::weak_ptr<const bool>(alive_),
                     exchange](const absl::Status& status) {
    if (alive.expired()) return;
    if (!status.ok()) return exchange->Fail(status);
    exchange->Send(Json("{}"));
  };
  infer::Repository& repository = core_->repository();
  const std::string& model = exchange->route.model;
  if (exchange->route.endpoint == Endpoint::kUnload) {
    return done(repository.Unload(model));
  }
  repository.Load(model, done);
}

void Handler::Decode(const std::shared_ptr<Exchange>& exchange,
                     absl::Cord body) {
  // What the helper thread and the loop share; it is the loop's at the end.
  struct Job {
    base::Charge charge;
    Body body;
    // Until it is done, which takes memory.
    absl::StatusOr<InferRequest> result = absl::ResourceExhaustedError(
        "the server has no memory to read this request just now");
  };
  const size_t json_bytes =
      std::min(exchange->json_size.value_or(body.size()), body.size());
  const size_t parser_bytes = json_bytes * kParserBytesPerByte;
  base::Charge charge(&core_->budget());
  if (!charge.Resize(parser_bytes)) {
    if (parser_bytes > core_->budget().limit()) {
      return exchange->Refuse(
          {413,
           absl::StrCat("to read ", json_bytes, " bytes of JSON takes ",
                        parser_bytes, " bytes of memory, and the server has ",
                        core_->budget().limit(),
                        " for all requests; send tensors as binary data")});
    }
    return exchange->Fail(absl::ResourceExhaustedError(
        absl::StrCat("the server has no room to read ", json_bytes,
                     " bytes of JSON just now")));
  }
  auto job = std::make_shared<Job>();
  job->charge = std::move(charge);
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
    if (!job->result.ok()) return exchange->Fail(job->result.status());
    exchange->request = std::move(job->result->request);
    exchange->binary = std::move(job->result->binary);
    job->body.bytes.Clear();
    Infer(exchange);
  };
  if (json_bytes <= options_.small_json_bytes) {
    work();
    done();
  } else if (!helper_.Run(work, done)) {
    exchange->Fail(
        absl::ResourceExhaustedError("too many requests with large JSON wait"));
  }
}

void Handler::Infer(const std::shared_ptr<Exchange>& exchange) {
  exchange->id = exchange->request.id;
  Ask(exchange, std::move(exchange->request),
      [this, exchange] { Encode(exchange); });
}

void Handler::Ask(const std::shared_ptr<Exchange>& exchange,
                  infer::Request request, std::function<void()> answer) {
  auto call = std::make_shared<infer::Call>(
      std::move(request), [alive = std::weak_ptr<const bool>(alive_), exchange,
                           answer = std::move(answer)](infer::Call* finished) {
        if (alive.expired()) return;
        exchange->timing = finished->timing;
        if (!finished->status.ok()) return exchange->Fail(finished->status);
        exchange->outputs = std::move(finished->outputs);
        answer();
      });
  exchange->call = call;
  core_->Infer(exchange->servable, std::move(call));
}

void Handler::Read(const std::shared_ptr<Exchange>& exchange, absl::Cord body) {
  auto request = OcrRequest(std::move(body), exchange->form);
  if (!request.ok()) return exchange->Fail(request.status());
  Ask(exchange, *std::move(request),
      [exchange] { exchange->Send(Json(OcrAnswer(exchange->outputs))); });
}

void Handler::Encode(const std::shared_ptr<Exchange>& exchange) {
  auto result =
      std::make_shared<absl::StatusOr<InferResponse>>(absl::UnavailableError(
          "the server has no memory to write this answer just now"));
  const auto work = [exchange, result, budget = &core_->budget()] {
    *result = EncodeInferResponse(exchange->servable->info(), exchange->id,
                                  exchange->binary, exchange->outputs, budget);
  };
  const auto done = [this, alive = std::weak_ptr<const bool>(alive_), exchange,
                     result] {
    if (alive.expired() || exchange->gone) return;
    if (!result->ok()) return exchange->Fail(result->status());
    http::Response response;
    response.body = std::move((*result)->body);
    if ((*result)->json_size.has_value()) {
      response.content_type = "application/octet-stream";
      response.headers.emplace_back(kJsonLengthHeader,
                                    absl::StrCat(*(*result)->json_size));
    }
    exchange->Send(std::move(response));
  };
  const size_t bytes = TextBytes(exchange->binary, exchange->outputs);
  // What is computed is not thrown away: where the thread has too much to do,
  // the loop writes.
  if (bytes <= options_.small_json_bytes || !helper_.Run(work, done)) {
    work();
    done();
  }
}

http::Response Handler::Refuse(const http::Error& error) {
  infer::Access access;
  access.endpoint = Endpoint::kRefused;
  access.code = error.status;
  access.error = error.message;
  access.start = Clock::now();
  core_->Record(access);
  return MakeRefusal({error.status, error.message, cors_.Headers(nullptr)});
}

}  // namespace rest
