// One client's connection: reads requests, one at a time, and writes answers.
#ifndef CC_FRONTEND_HTTP_CONNECTION_H_
#define CC_FRONTEND_HTTP_CONNECTION_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/loop.h"
#include "cc/frontend/http/block.h"
#include "cc/frontend/http/deadline.h"
#include "cc/frontend/http/http.h"
#include "cc/frontend/http/input.h"
#include "cc/frontend/http/output.h"
#include "cc/frontend/http/parser.h"
#include "cc/frontend/http/response.h"

namespace http {

struct Timeouts {
  // Between requests. Longer than load balancers keep theirs (60 s, mostly):
  // whoever closes first never meets a request that is on its way.
  std::chrono::milliseconds idle{75'000};
  // Of a new connection to the first byte, and of every request from there to
  // the end of its headers.
  std::chrono::milliseconds head{10'000};
  // A body or an answer has no time of its own, which would be too short for
  // some size or too long for some client. In each span of `stall` it must
  // move as much as `min_bytes_per_second` makes of it.
  std::chrono::milliseconds stall{10'000};
  int64_t min_bytes_per_second = 16 << 10;
  // Between the last answer and the end, for the client to close first: what
  // it sends to a closed socket would make its kernel drop the answer unread.
  std::chrono::milliseconds linger{2'000};
};

// Since the start.
struct Counts {
  uint64_t accepted = 0;       // connections
  uint64_t turned_away = 0;    // of them, as there were too many
  uint64_t accept_errors = 0;  // mostly: out of file descriptors
  uint64_t requests = 0;       // that reached Handler::Handle
  uint64_t refused = 0;        // requests, by CheckHead or by the server
  uint64_t failed = 0;         // connections, for want of memory
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

class Connection;

// What the connections of a server have in common.
struct Shared {
  base::Loop* loop = nullptr;
  Handler* handler = nullptr;
  Limits limits;
  Timeouts timeouts;
  std::vector<std::string> single_headers;
  std::shared_ptr<BlockPool> pool;
  std::function<void(Connection*)> closed;  // called by each, at its end
  bool draining = false;  // answers are the last of their connections
  Date date;
  Counts counts;
  std::vector<char> scratch;  // for bytes that nobody wants
};

// Lives on the loop's thread. Answers are due in order, so the next request is
// not handled before the last one is answered.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Takes the socket, which does not block.
  Connection(Shared* shared, int fd);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // None of these throws; each may be the connection's end.

  void Start();
  // Answers an error, whatever has been read, and closes.
  void Refuse(const Error& error);
  // Shared::draining is true now: closes unless something was asked.
  void Drain();
  // Closes at once. Whoever waits for an answer is gone.
  void Close();
  // Closes at once, and calls nobody: the server is going.
  void Abandon();

  // Whether a request has begun to come, or is being answered.
  bool busy() const {
    return state_ == State::kHandling || state_ == State::kSending ||
           (state_ == State::kReading && parser_.started());
  }

 private:
  class PendingReply;
  enum class State {
    kReading,    // a request, or nothing as yet
    kHandling,   // a request is with the handler
    kSending,    // an answer
    kLingering,  // all is said
    kClosed,
  };

  // Calls f; what it throws (std::bad_alloc) is the end of this connection, and
  // of nothing else: above are the C frames of libevent.
  template <typename F>
  void Guarded(F f);

  void OnReady(bool readable, bool writable);
  void OnReadable();
  // The bytes received; 0: nothing was there, or the end.
  size_t Receive(absl::Span<char> room);
  void OnEnd(bool reset);
  void OnNoRoom();
  // As recv(2), of bytes that nobody wants.
  ssize_t Discard();
  void DiscardInput();

  // Reads requests out of the input, until one is being handled.
  void Process();
  void ProcessInput();
  void OnHead();
  void Reject(Response response);
  void OnComplete();
  void AwaitMore();

  void Respond(uint64_t request, Response response);
  void OnDropped(uint64_t request);
  void SetGone(uint64_t request, std::function<void()> gone);
  void CallGone();

  void RefuseNow(const Error& error);
  void SendAnswer(Response response);
  // The socket has taken what it could; `alive`: the client is there.
  void OnSent(bool alive);
  void OnWritten();
  void Linger();
  void Want();

  // From now on a body or an answer has to move.
  void WatchRate();
  int64_t Moved() const;
  // Whether it has moved enough since it was looked at last.
  bool Moves(std::chrono::milliseconds span);
  void OnDeadline();
  Error TooSlow() const;

  Shared* const shared_;
  int fd_;
  std::optional<base::Watch> watch_;
  Deadline deadline_;

  Input input_;
  Parser parser_;
  State state_ = State::kReading;
  bool processing_ = false;
  bool ended_ = false;      // the client sends no more
  bool read_ahead_ = true;  // there is room for what comes before its turn
  bool head_timed_ = false;
  bool body_timed_ = false;

  uint64_t request_ = 0;  // number of the one that is being handled
  std::function<void()> gone_;
  bool head_only_ = false;  // the answer goes without its body
  bool keep_alive_ = true;

  Output output_;
  int64_t bytes_ = 0;       // of the body that have come, or of the answer
  int64_t seen_moved_ = 0;  // Moved() when it was looked at last
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_CONNECTION_H_
