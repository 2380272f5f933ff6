// Bytes on their way out by a socket that does not block.
#ifndef CC_FRONTEND_HTTP_OUTPUT_H_
#define CC_FRONTEND_HTTP_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace http {

class Output {
 public:
  // Counts there what sockets have taken.
  explicit Output(uint64_t* taken) : taken_(taken) {}

  // Sends as much as the socket takes, behind what waits, and keeps the rest.
  // False where the client has gone.
  bool Write(int fd, absl::string_view head, absl::Cord body);
  // Puts bytes behind what waits, for the next Flush.
  template <typename Bytes>
  void Append(Bytes&& bytes) {
    rest_.Append(std::forward<Bytes>(bytes));
  }
  // The same as Write of what waits.
  bool Flush(int fd);
  void Clear() { rest_.Clear(); }

  bool empty() const { return rest_.empty(); }
  // Bytes that the socket has not taken yet.
  size_t size() const { return rest_.size(); }

 private:
  uint64_t* const taken_;
  absl::Cord rest_;
};

// Bytes that the kernel has and the client's side has not taken.
int64_t QueuedInKernel(int fd);

}  // namespace http

#endif  // CC_FRONTEND_HTTP_OUTPUT_H_
