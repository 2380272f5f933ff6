// Takes connections on one address, keeps them, and ends them, whatever they
// speak.
#ifndef CC_FRONTEND_HTTP_ACCEPTOR_H_
#define CC_FRONTEND_HTTP_ACCEPTOR_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "cc/base/loop.h"

namespace http {

// How long clients may take.
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
  uint64_t requests = 0;       // that reached a handler
  uint64_t refused = 0;        // requests, before they did
  uint64_t failed = 0;         // connections, for want of memory
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

// A connection as the acceptor knows it. No call throws; each but AnnounceEnd
// may be its end, of which it tells Acceptor::OnClosed.
class Accepted {
 public:
  virtual ~Accepted() = default;

  virtual void Start() = 0;
  // Tells the client why it is not served, and closes.
  virtual void TurnAway(std::string why) = 0;
  // An end begins: clients should go elsewhere, and are served until they do.
  virtual void AnnounceEnd() = 0;
  // Answers what has begun, and closes.
  virtual void Drain() = 0;
  // Closes at once. Whoever waits for an answer is gone.
  virtual void Close() = 0;
  // Closes at once, and calls nobody, the acceptor included.
  virtual void Abandon() = 0;
  // Answers that it owes.
  virtual int owed() const = 0;
};

// On the loop's thread.
class Acceptor {
 public:
  struct Options {
    // `::` is every address, also where the kernel knows no IPv6.
    std::string host = "127.0.0.1";
    int port = 0;                 // 0: a free one, see port()
    const char* flag = "--port";  // what errors call it
    int max_connections = 1024;
    // See Drain.
    std::chrono::milliseconds drain_delay{0};
    std::chrono::milliseconds drain_timeout{30'000};
  };
  // Makes a connection of a socket, which is its own unless it throws.
  using Make = std::function<std::shared_ptr<Accepted>(int fd)>;

  Acceptor(const Options& options, base::Loop* loop, Counts* counts, Make make);
  // Abandons every connection.
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Takes the address without listening yet.
  absl::Status Bind();
  // From now on clients can connect.
  absl::Status Listen();

  // Ends in three steps. For drain_delay all is served as before, but that
  // clients are told to go elsewhere. Then no connection is taken any more, and
  // what has begun is answered. Whatever is left after drain_timeout is cut.
  // Then `done` gets the number of connections that were cut while busy, at the
  // end of a round of the loop. A second call cuts at once; its own `done` is
  // not called.
  void Drain(std::function<void(int cut)> done);

  void OnClosed(Accepted* connection);

  int connections() const { return static_cast<int>(connections_.size()); }
  // Answers that they owe; looks at each.
  int owed() const;
  const std::string& host() const { return options_.host; }
  int port() const { return port_; }

 private:
  enum class Phase { kServing, kDelay, kFinishing, kDone };

  absl::Status AddressError(absl::string_view why,
                            absl::string_view cure) const;
  absl::Status SocketError(int error) const;
  void OnAccept();
  bool AcceptOne();
  bool AcceptWithReserve();
  bool PauseAccept();
  void ResumeAccept();
  void Add(int fd, std::string refusal);

  void OnDrainTimer();
  void Finish();
  void EndIfFinished();
  void Cut();
  void End(int cut);
  std::vector<std::shared_ptr<Accepted>> All() const;
  void CloseListener();

  Options options_;
  base::Loop* const loop_;
  Counts* const counts_;
  const Make make_;
  int fd_ = -1;
  int port_ = 0;
  int reserve_ = -1;
  std::optional<base::Watch> listener_;
  base::Timer accept_again_;
  base::Timer drain_timer_;
  Phase phase_ = Phase::kServing;
  bool closing_ = false;  // all that waited has been accepted
  std::function<void(int)> done_;
  absl::flat_hash_map<Accepted*, std::shared_ptr<Accepted>> connections_;
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_ACCEPTOR_H_
