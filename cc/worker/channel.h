// A socket between two processes that carries messages, whole, in order, and
// file descriptors with them (SOCK_SEQPACKET; unix(7)).
#ifndef CC_WORKER_CHANNEL_H_
#define CC_WORKER_CHANNEL_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace worker {

// An open file descriptor, closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Message {
  std::string bytes;
  std::vector<Fd> fds;
};

class Channel {
 public:
  explicit Channel(Fd fd) : fd_(std::move(fd)) {}

  // Two ends.
  static absl::StatusOr<std::pair<Channel, Channel>> Pair();

  // Waits where the other end is slow. UNAVAILABLE: it is gone.
  // RESOURCE_EXHAUSTED: the message is larger than a socket takes (some
  // 200 KB).
  absl::Status Send(absl::string_view bytes, const std::vector<int>& fds = {});

  // The next message. `wait`: for one. nullopt: there is none now. UNAVAILABLE:
  // the other end is gone.
  absl::StatusOr<std::optional<Message>> Receive(bool wait);

  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace worker

#endif  // CC_WORKER_CHANNEL_H_
