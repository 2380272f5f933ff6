// What has come from a client: bytes not yet read, and the body that is being
// put together. Blocks are received into and become parts of the body; only
// small chunks of a chunked body are moved, within their block.
#ifndef CC_FRONTEND_HTTP_INPUT_H_
#define CC_FRONTEND_HTTP_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "cc/frontend/http/block.h"

namespace http {

class Input {
 public:
  explicit Input(std::shared_ptr<BlockPool> pool) : pool_(std::move(pool)) {}

  // Where to receive what comes next; empty where the pool has no more.
  // `missing`: bytes of the body still to come, if that is known. What is
  // allocated grows with what has come, not with what was promised.
  absl::Span<char> Room(std::optional<uint64_t> missing);
  // The same for a client that sends before it is its turn: within a block;
  // then empty.
  absl::Span<char> RoomAhead();
  // So many bytes were received into the room.
  void Received(size_t size) { end_ += size; }

  absl::string_view unread() const {
    if (block_ == nullptr) return {};
    return {block_->data.get() + begin_, end_ - begin_};
  }
  // The first `size` bytes unread are read; `body`, the part of them that
  // belongs to the body.
  void Read(size_t size, absl::string_view body);
  absl::Cord TakeBody();

  // Keeps no memory for what is not there: between requests, a connection has
  // no block.
  void Trim();
  // Forgets all.
  void Clear();

 private:
  size_t NextCapacity(std::optional<uint64_t> missing) const;
  absl::Span<char> Tail();
  void Adopt();

  const std::shared_ptr<BlockPool> pool_;
  std::shared_ptr<Block> block_;
  size_t begin_ = 0;  // unread bytes in the block
  size_t end_ = 0;
  size_t body_begin_ = 0;  // bytes of the body in the block, before them
  size_t body_end_ = 0;
  absl::Cord body_;  // that lies in earlier blocks, or further ahead
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_INPUT_H_
