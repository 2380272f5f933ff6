#include "cc/frontend/grpc/service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/base/wire.h"
#include "cc/frontend/grpc/encode.h"
#include "cc/frontend/grpc/exchanges.h"
#include "cc/frontend/grpc/triton.h"

namespace grpc {
namespace {

using infer::Endpoint;

constexpr absl::string_view kInference = "/inference.GRPCInferenceService/";

}  // namespace

// Everything that is served. Other methods of Triton's service come here.
const Service::Method* Service::FindMethod(absl::string_view path) {
  static constexpr Method kMethods[] = {
      {"/inference.GRPCInferenceService/ModelInfer", Method::kInfer,
       Endpoint::kInfer},
      {"/inference.GRPCInferenceService/ModelStreamInfer", Method::kStreamInfer,
       Endpoint::kInfer},
      {"/inference.GRPCInferenceService/ServerLive", Method::kUnary,
       Endpoint::kLive},
      {"/inference.GRPCInferenceService/ServerReady", Method::kUnary,
       Endpoint::kReady},
      {"/inference.GRPCInferenceService/ModelReady", Method::kUnary,
       Endpoint::kModelReady},
      {"/inference.GRPCInferenceService/ServerMetadata", Method::kUnary,
       Endpoint::kServer},
      {"/inference.GRPCInferenceService/ModelMetadata", Method::kUnary,
       Endpoint::kModel},
      {"/inference.GRPCInferenceService/ModelConfig", Method::kUnary,
       Endpoint::kConfig},
      {"/inference.GRPCInferenceService/ModelStatistics", Method::kUnary,
       Endpoint::kStatistics},
      {"/inference.GRPCInferenceService/RepositoryIndex", Method::kUnary,
       Endpoint::kIndex},
      {"/inference.GRPCInferenceService/RepositoryModelLoad", Method::kControl,
       Endpoint::kLoad},
      {"/inference.GRPCInferenceService/RepositoryModelUnload",
       Method::kControl, Endpoint::kUnload},
      {"/grpc.health.v1.Health/Check", Method::kUnary, Endpoint::kReady},
      {"/grpc.health.v1.Health/Watch", Method::kWatch, Endpoint::kReady},
      {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
       Method::kReflection, Endpoint::kServer},
      {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
       Method::kReflection, Endpoint::kServer},
  };
  for (const Method& method : kMethods) {
    if (method.path == path) return &method;
  }
  return nullptr;
}

Service::Service(base::Loop* loop, infer::Core* core, const Options& options)
    : core_(core),
      options_(options),
      pool_(http::BlockPool::Make(&core->budget())),
      watch_timer_(loop, [this] { LookAtWatches(); }) {}

Service::~Service() = default;

std::shared_ptr<Exchange> Service::Begin(const Head& head, Reply reply) {
  const Method* const method = FindMethod(head.path);
  if (method == nullptr) {
    const absl::Status status = absl::UnimplementedError(absl::StrCat(
        absl::StartsWith(head.path, kInference)
            ? "this server does not serve the method "
            : "there is no method ",
        base::Quote(head.path), "; server reflection tells what there is"));
    Entry entry;
    entry.path = head.path;
    entry.start = head.start;
    entry.caller = head.caller;
    Record(entry, status);
    reply.Finish(status);
    return nullptr;
  }
  switch (method->kind) {
    case Method::kInfer:
      return std::make_shared<UnaryInfer>(this, head, *method,
                                          std::move(reply));
    case Method::kStreamInfer:
      return std::make_shared<StreamInfer>(this, head, *method,
                                           std::move(reply));
    case Method::kControl:
      return std::make_shared<Control>(this, head, *method, std::move(reply));
    case Method::kWatch:
      return std::make_shared<Watch>(this, head, *method, std::move(reply));
    case Method::kReflection:
      return std::make_shared<ReflectionStream>(this, head, *method,
                                                std::move(reply));
    case Method::kUnary:
      break;
  }
  return std::make_shared<Unary>(this, head, *method, std::move(reply));
}

void Service::OnRefused(const Head& head, const absl::Status& status) {
  infer::Access access;
  access.protocol = infer::Protocol::kGrpc;
  access.endpoint = Endpoint::kRefused;
  access.path = head.path;
  access.code = static_cast<int>(status.code());
  access.error = status.message();
  access.start = infer::Clock::now();
  core_->Record(access);
}

void Service::Record(const Entry& entry, const absl::Status& status) {
  infer::Access access;
  access.protocol = infer::Protocol::kGrpc;
  access.endpoint = entry.endpoint;
  access.method = "POST";
  access.path = entry.path;
  if (entry.endpoint != Endpoint::kNone) access.route = entry.path;
  access.servable = entry.servable;
  access.code = static_cast<int>(status.code());
  switch (status.code()) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      access.failed = true;
      break;
    default:
      break;
  }
  access.routine = status.ok() && (entry.endpoint == Endpoint::kLive ||
                                   entry.endpoint == Endpoint::kReady);
  access.bytes_in = entry.bytes_in;
  access.bytes_out = entry.bytes_out;
  access.start = entry.start;
  access.id = entry.id;
  access.caller = &entry.caller;
  access.error = status.message();
  access.timing = &entry.timing;
  core_->Record(access);
}

// ---- One message, one answer

Service::Unary::Unary(Service* service, const Head& head, const Method& method,
                      Reply reply)
    : service_(service), alive_(service->alive_), reply_(std::move(reply)) {
  entry_.path = method.path;
  entry_.endpoint = method.endpoint;
  entry_.start = head.start;
  entry_.caller = head.caller;
}

void Service::Unary::OnMessage(absl::Cord message) {
  if (std::exchange(received_, true)) {
    return Finish(
        absl::InternalError("there is more than one message, where one is "
                            "wanted"));
  }
  entry_.bytes_in = message.size();
  message_ = std::move(message);
}

void Service::Unary::OnEnd() {
  if (!received_) {
    return Finish(
        absl::InternalError("there is no message, where one is "
                            "wanted"));
  }
  entry_.start = base::Clock::now();
  OnRequest();
}

void Service::Unary::OnRequest() {
  auto answer = service_->Answer(message_, &entry_);
  if (!answer.ok()) return Finish(answer.status());
  entry_.bytes_out = answer->size();
  reply_.Send(absl::Cord(*std::move(answer)));
  Finish(absl::OkStatus());
}

void Service::Unary::OnGone() {
  if (alive_.expired()) return;
  service_->Record(entry_, absl::CancelledError("the client is gone"));
}

void Service::Unary::Finish(const absl::Status& status) {
  if (reply_.finished()) return;
  service_->Record(entry_, status);
  reply_.Finish(status);
}

// ---- Loads

void Service::Control::OnRequest() {
  if (absl::Status status = service_->core_->CheckControl(); !status.ok()) {
    return Finish(status);
  }
  const auto name = DecodeControlRequest(message_);
  if (!name.ok()) return Finish(name.status());
  const auto done = [self = shared_from_this()](const absl::Status& status) {
    if (self->alive_.expired() || self->reply_.finished()) return;
    if (status.ok()) self->reply_.Send(absl::Cord());
    self->Finish(status);
  };
  infer::Repository& repository = service_->core_->repository();
  if (entry_.endpoint == Endpoint::kUnload) {
    return done(repository.Unload(*name));
  }
  repository.Load(*name, done);
}

// ---- Answers

absl::StatusOr<std::string> Service::StatisticsAnswer(
    const absl::Cord& request) {
  wire::Reader reader(request);
  std::string name, version;
  while (reader.Next()) {
    if (reader.number() == 1) reader.Read(&name);
    if (reader.number() == 2) reader.Read(&version);
  }
  if (!reader.status().ok()) return reader.status();
  const auto models = core_->FindAll(name, version);
  if (!models.ok()) return models.status();
  return EncodeStatistics(*models);
}

absl::StatusOr<std::string> Service::Answer(const absl::Cord& request,
                                            Entry* entry) {
  switch (entry->endpoint) {
    case Endpoint::kLive:
      return EncodeFlag(true);
    case Endpoint::kReady:
      if (!absl::StartsWith(entry->path, kInference)) {
        return HealthAnswer(request, entry);
      }
      return EncodeFlag(core_->ready());
    case Endpoint::kServer:
      return EncodeServerMetadata(options_.name, options_.version);
    case Endpoint::kModel:
    case Endpoint::kModelReady:
    case Endpoint::kConfig:
      return ModelAnswer(request, entry);
    case Endpoint::kStatistics:
      return StatisticsAnswer(request);
    case Endpoint::kIndex: {
      const auto ready_only = DecodeIndexRequest(request);
      if (!ready_only.ok()) return ready_only.status();
      return EncodeIndex(core_->repository().Index(), *ready_only);
    }
    default:
      return absl::InternalError("no answer to this method");
  }
}

absl::StatusOr<std::string> Service::ModelAnswer(const absl::Cord& request,
                                                 Entry* entry) {
  wire::Reader reader(request);
  std::string name, version;
  while (reader.Next()) {
    if (reader.number() == 1) reader.Read(&name);
    if (reader.number() == 2) reader.Read(&version);
  }
  if (!reader.status().ok()) return reader.status();
  auto found = core_->Find(name, version);
  if (entry->endpoint == Endpoint::kModelReady) {
    // One that is being loaded, or that nobody knows, is not ready, which is no
    // error; InferenceServer::ModelIsReady of Triton tells both so.
    if (!found.ok() && !absl::IsUnavailable(found.status()) &&
        !absl::IsNotFound(found.status())) {
      return found.status();
    }
    if (found.ok()) entry->servable = *std::move(found);
    return EncodeFlag(entry->servable != nullptr &&
                      core_->Ready(*entry->servable).ok());
  }
  if (!found.ok()) return found.status();
  entry->servable = *std::move(found);
  if (entry->endpoint == Endpoint::kConfig) {
    return EncodeModelConfig(entry->servable->info());
  }
  return EncodeModelMetadata(entry->servable->info(),
                             core_->repository().Versions(name));
}

}  // namespace grpc
