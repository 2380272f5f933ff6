// gRPC as values: calls, messages, statuses. What serves these (server.h) knows
// nothing of inference; what answers them knows nothing of HTTP/2. Everything
// happens on the thread of one base::Loop.
#ifndef CC_FRONTEND_GRPC_GRPC_H_
#define CC_FRONTEND_GRPC_GRPC_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cc/base/caller.h"
#include "cc/base/loop.h"

namespace grpc {

// What a client asks for.
struct Head {
  std::string path;  // "/inference.GRPCInferenceService/ModelInfer"
  base::Clock::time_point start;
  std::optional<base::Clock::time_point> deadline;  // grpc-timeout
  base::Caller caller;
};

// What the connection does for a Reply.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void Send(absl::Cord message) = 0;
  virtual void Finish(const absl::Status& status) = 0;
  virtual size_t unsent() const = 0;
};

// The way back to the client of one call. Goes with a status: if it is
// destroyed before Finish, the client gets INTERNAL. May outlive the client's
// connection and the server, not the loop.
class Reply {
 public:
  explicit Reply(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  Reply(Reply&&) = default;
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (stream_ == nullptr) return;
    stream_->Finish(absl::InternalError("the request was dropped"));
  }

  // A message; none after Finish, which is called once.
  void Send(absl::Cord message) { stream_->Send(std::move(message)); }
  void Finish(const absl::Status& status) {
    std::exchange(stream_, nullptr)->Finish(status);
  }
  bool finished() const { return stream_ == nullptr; }
  // Bytes of messages that the client has not let us send yet.
  size_t unsent() const { return stream_ != nullptr ? stream_->unsent() : 0; }

 private:
  std::shared_ptr<Stream> stream_;
};

// One call that is under way. The connection holds it until the client has said
// all; from then on, whoever is to answer. It hears nothing after Finish.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Bytes that the server has received, adopted.
  virtual void OnMessage(absl::Cord message) = 0;
  // The client sends no more messages.
  virtual void OnEnd() = 0;
  // Nobody waits for the answer any more.
  virtual void OnGone() = 0;
  // The connection is to end: answers what has come, and finishes.
  virtual void OnDrain() {}
  // What was sent has gone out, see Reply::unsent.
  virtual void OnSent() {}
  // Has enough to do: the client shall wait with further messages.
  virtual bool full() const { return false; }
  // Cannot do anything before the client sends more.
  virtual bool waits_for_client() const { return false; }
  // Owes an answer.
  virtual bool busy() const { return true; }
};

class Handler {
 public:
  virtual ~Handler() = default;
  // nullptr: it is answered already.
  virtual std::shared_ptr<Exchange> Begin(const Head& head, Reply reply) = 0;
  // The client got `status` to what is no acceptable call, or to a message that
  // is none.
  virtual void OnRefused(const Head& head, const absl::Status& status) = 0;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_GRPC_H_
