// What the client may take time for. Part of connection.cc.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cc/frontend/grpc/call.h"
#include "cc/frontend/grpc/connection.h"

namespace grpc {

void Connection::OnTick() {
  if (state_ == State::kLingering) return Close();
  const auto now = base::Clock::now();
  if (!greeted_ && now - idle_since_ >= shared_->timeouts.head) {
    return Linger();
  }
  const uint64_t least =
      static_cast<uint64_t>(shared_->timeouts.min_bytes_per_second) *
      static_cast<uint64_t>(tick_span_.count()) / 1000;
  // The kernel takes megabytes at once from us: what counts is what the
  // client's side has taken from the kernel.
  const uint64_t moved =
      moved_out_ - static_cast<uint64_t>(http::QueuedInKernel(fd_));
  if (!out_.empty() && std::exchange(out_seen_, true)) {
    if (moved - seen_moved_out_ < least) return Close();
  }
  out_seen_ = !out_.empty();
  seen_moved_out_ = moved;
  CheckCalls(least);
  if (calls_.empty()) {
    const auto idle = now - idle_since_;
    if (drain_asked_ && idle >= shared_->timeouts.head) {
      Linger();  // whoever does not answer our ping has long gone
    } else if (!drain_asked_ && idle >= shared_->timeouts.idle) {
      Drain();
    }
  }
  if (state_ != State::kClosed && state_ != State::kLingering) {
    tick_.Start(tick_span_);
  }
}

// Calls share what the connection must move.
void Connection::CheckCalls(uint64_t least) {
  std::vector<std::shared_ptr<Call>> moving;
  for (const auto& [id, call] : calls_) {
    // As long as the socket takes nothing, none can send.
    if (call->receiving() || (call->sending() && out_.empty())) {
      moving.push_back(call);
    }
  }
  const uint64_t share =
      std::max<uint64_t>(1, least / std::max<size_t>(1, moving.size()));
  for (const auto& call : moving) {
    if (!call->Stalls(share)) continue;
    if (call->sending()) {
      call->Cut();
    } else {
      call->Refuse(absl::DeadlineExceededError(
          absl::StrCat("the message arrived at less than ",
                       shared_->timeouts.min_bytes_per_second,
                       " bytes per second for ", tick_span_.count(), " ms")));
    }
  }
}

}  // namespace grpc
