#include "cc/frontend/grpc/shared.h"

#include <new>

#include "cc/frontend/grpc/connection.h"

namespace grpc {
namespace {

constexpr size_t kScratch = 64 << 10;
// Answers to pings and settings that wait for a client that does not read.
constexpr size_t kMostAcks = 128;
// Calls that a client may cancel at once, and in a second.
constexpr uint64_t kResets = 1000;
constexpr uint64_t kResetsPerSecond = 200;

}  // namespace

Shared::Shared(base::Loop* loop, base::ByteBudget* budget, const Limits& limits,
               const http::Timeouts& timeouts)
    : loop(loop),
      budget(budget),
      limits(limits),
      timeouts(timeouts),
      pool(http::BlockPool::Make(budget)),
      coders(loop, budget),
      scratch(kScratch) {
  if (nghttp2_session_callbacks_new(&callbacks) != 0 ||
      nghttp2_option_new(&options) != 0) {
    throw std::bad_alloc();
  }
  Connection::SetCallbacks(callbacks);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  nghttp2_option_set_max_outbound_ack(options, kMostAcks);
  nghttp2_option_set_stream_reset_rate_limit(options, kResets,
                                             kResetsPerSecond);
}

Shared::~Shared() {
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
}

}  // namespace grpc
