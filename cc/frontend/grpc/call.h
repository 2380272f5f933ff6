// One call of gRPC on a connection: headers to an Exchange, and its answer to
// HTTP/2. Part of connection.cc.
#ifndef CC_FRONTEND_GRPC_CALL_H_
#define CC_FRONTEND_GRPC_CALL_H_

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/loop.h"
#include "cc/frontend/coding/coding.h"
#include "cc/frontend/grpc/coded_queue.h"
#include "cc/frontend/grpc/connection.h"
#include "cc/frontend/grpc/grpc.h"
#include "cc/frontend/grpc/incoming.h"

namespace grpc {

class Connection::Call : public Stream,
                         public std::enable_shared_from_this<Call> {
 public:
  Call(Connection* connection, int32_t id);

  // What the client sends.
  void OnHeader(absl::string_view name, absl::string_view value);
  void OnHead();
  void OnData(absl::string_view bytes);
  void OnEnd();
  // The stream is closed; nothing is sent any more.
  void OnClosed();
  void OnDrain();
  // Likewise, and nobody is called.
  void Abandon();

  // What it gets. Nothing throws.
  void Send(absl::Cord message) override;
  void Finish(const absl::Status& status) override;
  size_t unsent() const override {
    return out_.size() + (coded_out_ != nullptr ? coded_out_->bytes() : 0);
  }
  // Ends the call for a reason that its exchange does not know.
  void Refuse(const absl::Status& status);

  // For nghttp2, when it writes: the size of what may go now, or an error.
  ssize_t Read(size_t most, uint32_t* flags);
  // The bytes that Read has told of.
  void MoveTo(size_t size, http::Output* out);
  // The trailers are out.
  void OnTrailersSent();

  // See http::Timeouts.
  bool receiving() const {
    return !finished_ && !ended_ &&
           (coded_in_ == nullptr || coded_in_->empty()) &&
           (exchange_ == nullptr || incoming_.within() ||
            exchange_->waits_for_client());
  }
  bool sending() const { return !out_.empty(); }
  bool busy() const;
  // Whether it has moved less than `least` since it was looked at last.
  bool Stalls(uint64_t least);
  void Cut();

 private:
  absl::Status CheckHead();
  // Makes way for messages that are compressed.
  void Expand();
  void OnMessage(Incoming::Message message);
  void OnInflated(absl::StatusOr<absl::Cord> message);
  void Deliver(absl::Cord message);
  // All that the client has said is with the exchange.
  void HandOver();
  // What has come and was not told yet.
  void Forget();
  void Emit(absl::Cord message, bool compressed);
  void Respond(const nghttp2_data_provider* source);
  void Trailers(bool only);
  void ReleaseWindow();
  template <typename F>
  void WithExchange(F f);

  Connection* connection_;  // nullptr: the stream is closed
  const int32_t id_;
  Head head_;
  size_t header_bytes_ = 0;
  std::string method_;
  std::string content_type_;
  std::string encoding_;
  std::string accept_encoding_;
  coding::Coding coding_ = coding::Coding::kIdentity;
  absl::Status head_error_;
  std::shared_ptr<Exchange> exchange_;      // until the client has said all
  std::weak_ptr<Exchange> exchange_later_;  // and then
  Incoming incoming_;
  // nullptr where nothing is compressed, in that direction.
  std::unique_ptr<CodedQueue> coded_in_, coded_out_;
  size_t window_ = 0;       // bytes that the client may not send again yet
  bool ended_ = false;      // the client sends no more
  bool responded_ = false;  // headers are on their way
  bool waits_ = false;      // nghttp2 waits for more to send
  bool finished_ = false;   // status_ is the call's
  absl::Status status_;
  absl::Cord out_;
  uint64_t moved_ = 0;
  uint64_t seen_moved_ = 0;
  bool seen_ = false;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_CALL_H_
