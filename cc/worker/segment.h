// Memory that two processes share: a memfd, mapped by both.
#ifndef CC_WORKER_SEGMENT_H_
#define CC_WORKER_SEGMENT_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "cc/worker/channel.h"

namespace worker {

// Paddle's own tensors are aligned so, and shared ones have to be.
inline constexpr size_t kAlignment = 64;
inline size_t Aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

class Segment {
 public:
  // Of `size` bytes, at least: zeros. It can never shrink, so that nobody who
  // maps it can be made to end by SIGBUS.
  static absl::StatusOr<std::unique_ptr<Segment>> Create(size_t size);
  // What another process has made; it needs no descriptor then. INTERNAL where
  // it could still shrink, another error where it cannot be mapped just now.
  static absl::StatusOr<std::unique_ptr<Segment>> Open(const Fd& fd,
                                                       bool writable);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  char* data() const { return data_; }
  size_t size() const { return size_; }
  // Of one that was created, until it is closed; Discard needs it.
  int fd() const { return fd_.get(); }
  void CloseFd() { fd_ = Fd(); }

  // Gives the pages back; the bytes are zeros again.
  void Discard();

 private:
  Segment(Fd fd, char* data, size_t size)
      : fd_(std::move(fd)), data_(data), size_(size) {}

  Fd fd_;
  char* const data_;
  const size_t size_;
};

}  // namespace worker

#endif  // CC_WORKER_SEGMENT_H_
