// The answer that a connection waits for, as its handler sees it. Only
// connection.cc needs it.
#ifndef CC_FRONTEND_HTTP_PENDING_REPLY_H_
#define CC_FRONTEND_HTTP_PENDING_REPLY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "cc/base/loop.h"
#include "cc/frontend/http/connection.h"
#include "cc/frontend/http/http.h"

namespace http {

class Connection::PendingReply : public Reply {
 public:
  PendingReply(const std::shared_ptr<Connection>& connection, uint64_t request)
      : connection_(connection),
        loop_(connection->shared_->loop),
        request_(request) {}
  PendingReply(const PendingReply&) = delete;
  PendingReply& operator=(const PendingReply&) = delete;
  ~PendingReply() override {
    if (done_) return;
    if (const auto connection = connection_.lock()) {
      connection->OnDropped(request_);
    }
  }

  void Send(Response response) override {
    if (std::exchange(done_, true)) return;
    if (const auto connection = connection_.lock()) {
      connection->Respond(request_, std::move(response));
    }
  }

  void OnGone(std::function<void()> gone) override {
    if (done_) return;
    if (const auto connection = connection_.lock()) {
      connection->SetGone(request_, std::move(gone));
    } else {
      loop_->Defer(std::move(gone));
    }
  }

 private:
  const std::weak_ptr<Connection> connection_;
  base::Loop* const loop_;
  const uint64_t request_;
  bool done_ = false;
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_PENDING_REPLY_H_
