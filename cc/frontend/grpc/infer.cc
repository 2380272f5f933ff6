// Inference: of calls of their own, and of streams of requests.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/frontend/grpc/decode.h"
#include "cc/frontend/grpc/encode.h"
#include "cc/frontend/grpc/exchanges.h"

namespace grpc {
namespace {

// Of one stream: what is computed at once, and what may wait behind it; a
// client that sends more is held back by its window.
constexpr size_t kMostAtOnce = 64;
constexpr size_t kMostWaiting = 8192;
constexpr size_t kMostUnsent = 1 << 20;

}  // namespace

void Service::Inference::Start(const absl::Cord& message,
                               const Deadline& deadline, Entry* entry) {
  entry->bytes_in = message.size();
  const absl::Status status = Try(message, deadline, entry);
  if (!status.ok()) Done(status, {});
}

absl::Status Service::Inference::Try(const absl::Cord& message,
                                     const Deadline& deadline, Entry* entry) {
  InferMessage parsed;
  absl::Status status = ParseInferMessage(message, &parsed);
  entry->id = parsed.id;
  if (!status.ok()) return status;
  auto servable =
      service_->core_->Find(parsed.model_name, parsed.model_version);
  if (!servable.ok()) return servable.status();
  entry->servable = *std::move(servable);
  auto request = DecodeInferRequest(entry->servable->info(), parsed,
                                    service_->pool_.get());
  if (!request.ok()) return request.status();
  if (deadline) {
    const auto left = *deadline - base::Clock::now();
    if (left <= left.zero()) {
      return absl::DeadlineExceededError(
          "the time that grpc-timeout gives is over");
    }
    request->timeout = request->timeout > left.zero()
                           ? std::min(request->timeout, left)
                           : left;
  }
  auto call = std::make_shared<infer::Call>(
      *std::move(request),
      [self = shared_from_this(), entry](infer::Call* finished) {
        if (self->alive_.expired()) return;
        entry->timing = finished->timing;
        if (!finished->status.ok()) return self->Done(finished->status, {});
        self->Done(absl::OkStatus(),
                   EncodeInferResponse(entry->servable->info(), entry->id,
                                       finished->outputs));
      });
  call_ = call;
  service_->core_->Infer(entry->servable, std::move(call));
  return absl::OkStatus();
}

void Service::Inference::Cancel() {
  if (const auto call = call_.lock()) call->Cancel();
}

// ---- One request

Service::UnaryInfer::UnaryInfer(Service* service, const Head& head,
                                const Method& method, Reply reply)
    : Unary(service, head, method, std::move(reply)),
      Inference(service),
      deadline_(head.deadline) {}

void Service::UnaryInfer::OnRequest() {
  const absl::Cord message = std::exchange(message_, {});
  Start(message, deadline_, &entry_);
}

void Service::UnaryInfer::Done(const absl::Status& status,
                               absl::Cord response) {
  if (status.ok() && !reply_.finished()) {
    entry_.bytes_out = response.size();
    reply_.Send(std::move(response));
  }
  Finish(status);
}

void Service::UnaryInfer::OnGone() {
  Cancel();
  Unary::OnGone();
}

// ---- A stream of requests

// One request of a stream. It holds the stream until it is answered.
class Service::StreamInfer::Item : public Inference {
 public:
  Item(Service* service, std::shared_ptr<StreamInfer> stream, uint64_t number)
      : Inference(service),
        service_(service),
        stream_(std::move(stream)),
        number_(number) {
    entry_.path = stream_->method_.path;
    entry_.endpoint = stream_->method_.endpoint;
    entry_.caller = stream_->caller_;
    entry_.start = base::Clock::now();
  }
  ~Item() override {
    if (stream_ == nullptr || stream_->alive_.expired()) return;
    Answer(absl::InternalError("the request was dropped"), {});
  }

  void Begin(const absl::Cord& message) {
    Start(message, stream_->deadline_, &entry_);
  }
  void Gone() {
    Cancel();
    stream_ = nullptr;
    service_->Record(entry_, absl::CancelledError("the client is gone"));
  }

 protected:
  void Done(const absl::Status& status, absl::Cord response) override {
    Answer(status, std::move(response));
  }

 private:
  void Answer(const absl::Status& status, absl::Cord response) {
    const auto stream = std::exchange(stream_, nullptr);
    if (stream == nullptr) return;
    absl::Cord message;
    if (status.ok()) {
      message = EncodeStreamResponse(response);
    } else {
      const infer::ModelInfo none;
      const infer::ModelInfo& info =
          entry_.servable != nullptr ? entry_.servable->info() : none;
      message = EncodeStreamError(status.message(), info.name, info.version,
                                  entry_.id);
    }
    entry_.bytes_out = message.size();
    service_->Record(entry_, status);
    stream->OnAnswer(number_, std::move(message));
  }

  Service* const service_;
  std::shared_ptr<StreamInfer> stream_;
  const uint64_t number_;
  Entry entry_;
};

Service::StreamInfer::StreamInfer(Service* service, const Head& head,
                                  const Method& method, Reply reply)
    : service_(service),
      alive_(service->alive_),
      deadline_(head.deadline),
      caller_(head.caller),
      method_(method),
      reply_(std::move(reply)) {}

bool Service::StreamInfer::full() const {
  return slots_.size() >= kMostAtOnce || !waiting_.empty();
}

void Service::StreamInfer::OnMessage(absl::Cord message) {
  if (waiting_.size() >= kMostWaiting) {
    return reply_.Finish(absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMostWaiting,
                     " requests of this stream wait: read answers")));
  }
  waiting_.push_back(std::move(message));
  Pump();
}

void Service::StreamInfer::OnEnd() {
  ended_ = true;
  Pump();
}

// All that came before the client heard of the end is answered.
void Service::StreamInfer::OnDrain() {
  draining_ = true;
  Pump();
}

void Service::StreamInfer::OnGone() {
  waiting_.clear();
  if (alive_.expired()) return;
  for (const Slot& slot : std::exchange(slots_, {})) {
    if (const auto item = slot.item.lock()) item->Gone();
  }
}

void Service::StreamInfer::Pump() {
  if (alive_.expired() || std::exchange(pumping_, true)) return;
  for (;;) {
    while (!slots_.empty() && slots_.front().done && !reply_.finished()) {
      reply_.Send(std::move(slots_.front().answer));
      slots_.pop_front();
      ++first_;
    }
    if (reply_.finished() || waiting_.empty() || slots_.size() >= kMostAtOnce ||
        reply_.unsent() > kMostUnsent) {
      break;
    }
    const absl::Cord message = std::move(waiting_.front());
    waiting_.pop_front();
    const auto item = std::make_shared<Item>(service_, shared_from_this(),
                                             first_ + slots_.size());
    slots_.emplace_back().item = item;
    item->Begin(message);
  }
  pumping_ = false;
  if (busy() || reply_.finished()) return;
  if (ended_) {
    reply_.Finish(absl::OkStatus());
  } else if (draining_) {
    reply_.Finish(absl::UnavailableError("the server is shutting down"));
  }
}

void Service::StreamInfer::OnAnswer(uint64_t number, absl::Cord answer) {
  const uint64_t index = number - first_;
  if (index >= slots_.size()) return;
  slots_[index].answer = std::move(answer);
  slots_[index].done = true;
  Pump();
}

}  // namespace grpc
