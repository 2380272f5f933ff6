// A connection without a server: on one end of a socket pair, its client's end
// for a test to write and read, and a loop that turns when the test says so.
#ifndef CC_FRONTEND_GRPC_LINK_H_
#define CC_FRONTEND_GRPC_LINK_H_

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "cc/base/loop.h"
#include "cc/frontend/grpc/connection.h"
#include "cc/frontend/grpc/shared.h"

namespace grpc {

inline constexpr absl::string_view kPreface =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr size_t kFrameHead = 9;

// RFC 9113 4.1.
inline std::string Frame(uint8_t type, uint8_t flags, uint8_t stream,
                         const std::string& payload) {
  std::string frame;
  for (int shift = 16; shift >= 0; shift -= 8) {
    frame.push_back(static_cast<char>(payload.size() >> shift));
  }
  frame.append({static_cast<char>(type), static_cast<char>(flags), 0, 0, 0,
                static_cast<char>(stream)});
  return frame + payload;
}

// One round: all that has come is served, and all answers that there are then
// are written.
inline void Turn(base::Loop* loop) {
  loop->Post([loop] { loop->Stop(); });
  loop->Run();
}

class Link {
 public:
  // Takes shared->closed.
  explicit Link(Shared* shared) : shared_(shared) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   ends) != 0) {
      std::abort();
    }
    fd_ = ends[0];
    connection_ = std::make_shared<Connection>(shared, ends[1]);
    shared->closed = [this](Connection*) { closed_ = true; };
    connection_->Start();
  }
  ~Link() {
    HangUp();
    if (!closed_) connection_->Abandon();
    connection_.reset();
    Turn(shared_->loop);  // what it has left there
    shared_->closed = nullptr;
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // False where the connection takes no more.
  bool Write(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
      Turn(shared_->loop);
    }
    return true;
  }
  // All that has come.
  std::string Read() {
    std::string bytes;
    char buffer[64 << 10];
    for (;;) {
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
      ended_ = ended_ || n == 0;
      if (n <= 0) return bytes;
      bytes.append(buffer, static_cast<size_t>(n));
    }
  }
  // The client sends no more.
  void Shut() { shutdown(fd_, SHUT_WR); }
  // The client is gone.
  void HangUp() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  base::Loop* loop() { return shared_->loop; }
  Connection& connection() { return *connection_; }
  // Whether the server has said all, which Read sees.
  bool ended() const { return ended_; }
  // Whether the server has let the connection go.
  bool closed() const { return closed_; }

 private:
  Shared* const shared_;
  int fd_ = -1;
  bool ended_ = false;
  bool closed_ = false;
  std::shared_ptr<Connection> connection_;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_LINK_H_
