// grpc.health.v1.Health, and the stream of server reflection.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/base/wire.h"
#include "cc/frontend/grpc/exchanges.h"

namespace grpc {
namespace {

// ServingStatus
constexpr int kServing = 1;
constexpr int kNotServing = 2;
constexpr int kServiceUnknown = 3;

// Until a change of readiness is told.
constexpr std::chrono::milliseconds kLookEvery{500};

absl::Status ReadService(const absl::Cord& request, std::string* service) {
  wire::Reader reader(request);
  while (reader.Next()) {
    if (reader.number() == 1) reader.Read(service);
  }
  return reader.status();
}

std::string EncodeStatus(int status) {
  std::string out;
  wire::Writer(&out).Varint(1, static_cast<uint64_t>(status));
  return out;
}

}  // namespace

// A service is the server, by "" or the name of the protocol's service, or a
// model.
int Service::HealthOf(const std::string& service) const {
  if (service.empty() || service == "inference.GRPCInferenceService") {
    return core_->ready() ? kServing : kNotServing;
  }
  const auto found = core_->Find(service, "");
  if (absl::IsNotFound(found.status())) return kServiceUnknown;
  return found.ok() && core_->Ready(**found).ok() ? kServing : kNotServing;
}

absl::StatusOr<std::string> Service::HealthAnswer(const absl::Cord& request,
                                                  Entry* entry) {
  std::string service;
  if (absl::Status status = ReadService(request, &service); !status.ok()) {
    return status;
  }
  const int health = HealthOf(service);
  if (health == kServiceUnknown) {
    return absl::NotFoundError(
        absl::StrCat("there is no model ", base::Quote(service)));
  }
  if (const auto found = core_->Find(service, ""); found.ok()) {
    entry->servable = *found;
    entry->endpoint = infer::Endpoint::kModelReady;
  }
  return EncodeStatus(health);
}

Service::Watch::Watch(Service* service, const Head& head, const Method& method,
                      Reply reply)
    : service_(service), alive_(service->alive_), reply_(std::move(reply)) {
  entry_.path = method.path;
  entry_.endpoint = method.endpoint;
  entry_.caller = head.caller;
}

void Service::Watch::OnMessage(absl::Cord message) {
  entry_.bytes_in = message.size();
  if (std::exchange(received_, true)) {
    return Finish(absl::InternalError("there is more than one message"));
  }
  const absl::Status status = ReadService(message, &watched_);
  if (!status.ok()) Finish(status);
}

void Service::Watch::OnEnd() {
  if (!received_) return Finish(absl::InternalError("there is no message"));
  if (!Look()) return;
  service_->watches_.push_back(shared_from_this());
  if (service_->watches_.size() == 1) service_->watch_timer_.Start(kLookEvery);
}

bool Service::Watch::Look() {
  if (reply_.finished()) return false;
  const int health = service_->HealthOf(watched_);
  // Whoever does not read learns of the newest only.
  if (health != told_ && reply_.unsent() == 0) {
    told_ = health;
    std::string message = EncodeStatus(health);
    entry_.bytes_out += message.size();
    reply_.Send(absl::Cord(std::move(message)));
  }
  return true;
}

void Service::Watch::OnGone() {
  if (alive_.expired()) return;
  entry_.start = base::Clock::now();
  service_->Record(entry_, absl::CancelledError("the client is gone"));
  auto& all = service_->watches_;
  all.erase(std::remove(all.begin(), all.end(), shared_from_this()), all.end());
}

void Service::Watch::OnDrain() {
  Look();
  Finish(absl::UnavailableError("the server is shutting down"));
}

void Service::Watch::Finish(const absl::Status& status) {
  if (reply_.finished()) return;
  // How long clients watch is not how long an answer takes.
  entry_.start = base::Clock::now();
  service_->Record(entry_, status);
  reply_.Finish(status);
}

void Service::LookAtWatches() {
  watches_.erase(
      std::remove_if(watches_.begin(), watches_.end(),
                     [](const auto& watch) { return !watch->Look(); }),
      watches_.end());
  if (!watches_.empty()) watch_timer_.Start(kLookEvery);
}

// ---- Reflection

Service::ReflectionStream::ReflectionStream(Service* service, const Head& head,
                                            const Method& method, Reply reply)
    : service_(service), alive_(service->alive_), reply_(std::move(reply)) {
  entry_.caller = head.caller;
  entry_.path = method.path;
  entry_.endpoint = method.endpoint;
}

void Service::ReflectionStream::OnMessage(absl::Cord message) {
  entry_.bytes_in += message.size();
  auto answer = service_->reflection_.Answer(message);
  if (!answer.ok()) return Finish(answer.status());
  entry_.bytes_out += answer->size();
  reply_.Send(*std::move(answer));
}

void Service::ReflectionStream::OnDrain() {
  Finish(absl::UnavailableError("the server is shutting down"));
}

void Service::ReflectionStream::Finish(const absl::Status& status) {
  if (alive_.expired() || reply_.finished()) return;
  entry_.start = base::Clock::now();
  service_->Record(entry_, status);
  reply_.Finish(status);
}

}  // namespace grpc
