#include "cc/worker/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace worker {
namespace {

// More than a socket's send buffer takes by default (net.core.wmem_default).
constexpr size_t kMaxMessage = 256 << 10;
constexpr size_t kMaxFds = 253;  // SCM_MAX_FD of the kernel

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::pair<Channel, Channel>> Channel::Pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make a socket for a worker");
  }
  return std::make_pair(Channel(Fd(ends[0])), Channel(Fd(ends[1])));
}

absl::Status Channel::Send(absl::string_view bytes,
                           const std::vector<int>& fds) {
  iovec data = {const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  if (fds.size() > kMaxFds) {
    return absl::InternalError("too many file descriptors in one message");
  }
  if (!fds.empty()) {
    std::memset(control, 0, sizeof(control));
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  while (sendmsg(fd_.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno == EMSGSIZE) {
      return absl::ResourceExhaustedError(
          absl::StrCat("a message of ", bytes.size(), " bytes"));
    }
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
      return absl::UnavailableError("the other process is gone");
    }
    return absl::ErrnoToStatus(errno, "cannot send to the other process");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Message>> Channel::Receive(bool wait) {
  static thread_local const auto buffer = std::make_unique<char[]>(kMaxMessage);
  iovec data = {buffer.get(), kMaxMessage};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t size;
  do {
    size = recvmsg(fd_.get(), &message,
                   MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  } while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return std::nullopt;
  }
  if (size == 0 || (size < 0 && errno == ECONNRESET)) {
    return absl::UnavailableError("the other process is gone");
  }
  if (size < 0) {
    return absl::ErrnoToStatus(errno, "cannot hear the other process");
  }
  Message received;
  received.bytes.assign(buffer.get(), static_cast<size_t>(size));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
      received.fds.emplace_back(fd);
    }
  }
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    return absl::InternalError("a message was cut off");
  }
  return received;
}

}  // namespace worker
