// One client's connection: HTTP/2 by nghttp2, and on it calls of gRPC.
#ifndef CC_FRONTEND_GRPC_CONNECTION_H_
#define CC_FRONTEND_GRPC_CONNECTION_H_

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "cc/base/loop.h"
#include "cc/frontend/grpc/grpc.h"
#include "cc/frontend/grpc/incoming.h"
#include "cc/frontend/grpc/shared.h"
#include "cc/frontend/http/acceptor.h"
#include "cc/frontend/http/block.h"
#include "cc/frontend/http/output.h"

namespace grpc {

// Lives on the loop's thread. What happens in one round of the loop is written
// at its end, in one system call.
class Connection : public http::Accepted,
                   public std::enable_shared_from_this<Connection> {
 public:
  // Takes the socket, which does not block.
  Connection(Shared* shared, int fd);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start() override;
  void TurnAway(std::string why) override;
  void AnnounceEnd() override;
  void Drain() override;
  void Close() override;
  void Abandon() override;
  int owed() const override;

  // What nghttp2 calls, as C functions.
  static void SetCallbacks(nghttp2_session_callbacks* callbacks);

 private:
  class Call;
  struct Callbacks;
  enum class State {
    kOpen,
    kAnnounced,  // the client knows that it should go
    kEnding,     // no further call is taken
    kLingering,  // all is said
    kClosed,
  };

  // What waits for the socket; more stays with the calls.
  static constexpr size_t kMostOut = 256 << 10;
  static constexpr uint32_t kFrame = 64 << 10;

  template <typename F>
  void Guarded(F f);

  void OnReady(bool readable, bool writable);
  void OnReadable();
  absl::Span<char> Room();
  bool Feed(absl::string_view bytes);
  void OnNoHttp2(absl::string_view bytes);
  void DiscardInput();

  // From nghttp2, while it is fed or writes.
  void OnBeginHeaders(int32_t id);
  void OnFrame(const nghttp2_frame& frame);
  void OnStreamClosed(int32_t id);
  int OnFrameSent(const nghttp2_frame& frame);
  void OnDrained();
  Call* Find(int32_t id);

  // Writes at the end of this round.
  void WriteSoon();
  void Write();
  // Whether the socket took all.
  bool WriteOut();
  void EndIfDone();
  void Linger();
  void Want();

  void OnTick();
  void CheckCalls(uint64_t least);

  Shared* const shared_;
  int fd_;
  std::optional<base::Watch> watch_;
  base::Timer tick_;
  std::chrono::milliseconds tick_span_;
  nghttp2_session* session_ = nullptr;
  State state_ = State::kOpen;
  bool greeted_ = false;  // the client speaks HTTP/2
  bool write_soon_ = false;
  bool drain_asked_ = false;
  base::Clock::time_point idle_since_;

  std::shared_ptr<http::Block> block_;  // that is received into
  size_t block_used_ = 0;
  bool large_ = false;  // much comes at once
  // nullptr where what is fed lies in no block.
  const std::shared_ptr<http::Block>* feeding_ = nullptr;

  absl::flat_hash_map<int32_t, std::shared_ptr<Call>> calls_;
  uint64_t moved_out_ = 0;  // bytes that the socket has taken
  http::Output out_{&moved_out_};
  bool out_seen_ = false;  // there was some at the last tick
  uint64_t seen_moved_out_ = 0;
  int reset_by_us_ = 0;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_CONNECTION_H_
