// Messages of one direction of a call on their way through a coding: each when
// all before it are done, so that they keep their order.
#ifndef CC_FRONTEND_GRPC_CODED_QUEUE_H_
#define CC_FRONTEND_GRPC_CODED_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"

namespace grpc {

// On the loop's thread. What it is given may call it.
class CodedQueue {
 public:
  // What has become of a message, or why nothing has; whether it is compressed
  // now.
  using Done = std::function<void(absl::StatusOr<absl::Cord>, bool compressed)>;
  // Calls Done once, also at once, unless the queue's owner is gone.
  using Work = std::function<void(absl::Cord, Done)>;

  // `out` gets what was pushed, in that order.
  CodedQueue(Work work, Done out)
      : work_(std::move(work)), out_(std::move(out)) {}

  // `work`: whether there is something to do, or it passes as it is.
  void Push(absl::Cord message, bool work) {
    bytes_ += message.size();
    waiting_.push_back({std::move(message), work});
    Pump();
  }
  void Clear() {
    waiting_.clear();
    bytes_ = 0;
  }

  bool empty() const { return !working_ && waiting_.empty(); }
  size_t size() const { return waiting_.size(); }
  // Of messages that are not through, before the work.
  size_t bytes() const { return bytes_; }

 private:
  struct Item {
    absl::Cord message;
    bool work = false;
  };

  void Pump() {
    if (std::exchange(pumping_, true)) return;
    while (!working_ && !waiting_.empty()) {
      Item item = std::move(waiting_.front());
      waiting_.pop_front();
      const size_t size = item.message.size();
      if (!item.work) {
        bytes_ -= size;
        out_(std::move(item.message), false);
        continue;
      }
      working_ = true;
      work_(std::move(item.message),
            [this, size](absl::StatusOr<absl::Cord> result, bool compressed) {
              working_ = false;
              bytes_ -= std::min(bytes_, size);  // 0 after Clear
              out_(std::move(result), compressed);
              Pump();
            });
    }
    pumping_ = false;
  }

  const Work work_;
  const Done out_;
  std::deque<Item> waiting_;
  size_t bytes_ = 0;
  bool working_ = false;
  bool pumping_ = false;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_CODED_QUEUE_H_
