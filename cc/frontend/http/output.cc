#include "cc/frontend/http/output.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <utility>

namespace http {
namespace {

constexpr size_t kPartsAtOnce = 128;

// `head` and `body` from their beginnings on, as much as fits.
size_t Gather(absl::string_view head, const absl::Cord& body,
              std::array<iovec, kPartsAtOnce>* parts, size_t* bytes) {
  size_t count = 0;
  *bytes = 0;
  const auto add = [&](absl::string_view part) {
    (*parts)[count++] = {const_cast<char*>(part.data()), part.size()};
    *bytes += part.size();
  };
  if (!head.empty()) add(head);
  for (const absl::string_view chunk : body.Chunks()) {
    if (count == kPartsAtOnce) break;
    add(chunk);
  }
  return count;
}

struct Sent {
  size_t offered = 0;
  size_t taken = 0;
  bool failed = false;  // the client has gone
};

Sent SendParts(int fd, absl::string_view head, const absl::Cord& body) {
  std::array<iovec, kPartsAtOnce> parts;
  Sent sent;
  msghdr message = {};
  message.msg_iovlen = Gather(head, body, &parts, &sent.offered);
  message.msg_iov = parts.data();
  ssize_t n;
  do {
    n = sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) {
    sent.taken = static_cast<size_t>(n);
  } else {
    sent.failed = errno != EAGAIN && errno != EWOULDBLOCK;
  }
  return sent;
}

}  // namespace

bool Output::Write(int fd, absl::string_view head, absl::Cord body) {
  Sent sent;
  if (rest_.empty()) {
    sent = SendParts(fd, head, body);
    if (sent.failed) return false;
  }
  *taken_ += sent.taken;
  const size_t of_head = std::min(sent.taken, head.size());
  rest_.Append(head.substr(of_head));
  body.RemovePrefix(sent.taken - of_head);
  rest_.Append(std::move(body));
  // There may have been too many parts for one call.
  return sent.taken == sent.offered && sent.taken > 0 ? Flush(fd) : true;
}

bool Output::Flush(int fd) {
  while (!rest_.empty()) {
    const Sent sent = SendParts(fd, {}, rest_);
    if (sent.failed) return false;
    *taken_ += sent.taken;
    rest_.RemovePrefix(sent.taken);
    if (sent.taken < sent.offered) break;
  }
  return true;
}

int64_t QueuedInKernel(int fd) {
  int queued = 0;
  return ioctl(fd, SIOCOUTQ, &queued) == 0 ? queued : 0;
}

}  // namespace http
