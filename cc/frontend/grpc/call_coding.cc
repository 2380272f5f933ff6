// Messages of a call that are compressed. Part of connection.cc.
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/frontend/coding/coders.h"
#include "cc/frontend/grpc/call.h"
#include "cc/frontend/grpc/headers.h"

namespace grpc {
namespace {

absl::Status Told(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) {
    return absl::Status(status.code(),
                        absl::StrCat("the message: ", status.message()));
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("the message: ", status.message(),
                   "; no more (--max_request_bytes) are read"));
}

}  // namespace

// Answers go as requests come, as far as the client takes that: so it is those
// that compress who get compressed answers.
void Connection::Call::Expand() {
  incoming_.AllowCompressed();
  const std::weak_ptr<Call> weak = weak_from_this();
  // Both queues are the call's: whoever calls them has to hold it.
  const auto held = [weak](CodedQueue::Done done) {
    return [weak, done = std::move(done)](absl::StatusOr<absl::Cord> result,
                                          bool compressed) {
      if (const auto call = weak.lock()) done(std::move(result), compressed);
    };
  };
  coded_in_ = std::make_unique<CodedQueue>(
      [this, weak, held](absl::Cord message, CodedQueue::Done done) {
        Shared& shared = *connection_->shared_;
        shared.coders.Inflate(
            coding_, message, shared.limits.message_bytes,
            [weak] {
              const auto call = weak.lock();
              return call != nullptr && !call->finished_;
            },
            [done = held(std::move(done))](absl::StatusOr<absl::Cord> plain) {
              done(std::move(plain), false);
            });
      },
      [this](absl::StatusOr<absl::Cord> message, bool) {
        OnInflated(std::move(message));
      });
  if (!Accepts(accept_encoding_, coding_)) return;
  coded_out_ = std::make_unique<CodedQueue>(
      [this, weak, held](absl::Cord message, CodedQueue::Done done) {
        connection_->shared_->coders.Deflate(
            coding_, message,
            [weak] {
              const auto call = weak.lock();
              return call != nullptr && call->connection_ != nullptr;
            },
            // Where it gains nothing, or there is no room for it, the message
            // goes as it is.
            [message,
             done = held(std::move(done))](absl::StatusOr<absl::Cord> coded) {
              const bool gain = coded.ok() && coded->size() < message.size();
              done(gain ? std::move(coded) : message, gain);
            });
      },
      [this](absl::StatusOr<absl::Cord> message, bool compressed) {
        if (connection_ != nullptr) Emit(*std::move(message), compressed);
      });
}

void Connection::Call::OnInflated(absl::StatusOr<absl::Cord> message) {
  if (finished_) return;
  if (!message.ok()) return Refuse(Told(message.status()));
  Deliver(*std::move(message));
  if (finished_ || !coded_in_->empty()) return;
  if (ended_) HandOver();
  ReleaseWindow();
}

void Connection::Call::Forget() {
  incoming_.Forget();
  if (coded_in_ != nullptr) coded_in_->Clear();
}

}  // namespace grpc
