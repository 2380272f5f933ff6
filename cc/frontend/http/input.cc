#include "cc/frontend/http/input.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace http {
namespace {

// A block with less room is not received into: it would make small reads.
constexpr size_t kLeastRoom = 4 << 10;
constexpr size_t kLeastLarge = 64 << 10;
constexpr size_t kMostLarge = 1 << 20;
// Chunks from this size on stay where they are: a part of a cord costs some
// 100 bytes, a copy of 4 KiB about as much time.
constexpr size_t kLeastAdopted = 4 << 10;

}  // namespace

size_t Input::NextCapacity(std::optional<uint64_t> missing) const {
  if (missing.has_value() && *missing > Block::kUsual) {
    return std::min<uint64_t>(
        *missing, std::clamp(4 * body_.size(), kLeastLarge, kMostLarge));
  }
  if (missing.has_value()) return Block::kUsual;
  return std::clamp(body_.size(), Block::kUsual, kMostLarge);
}

absl::Span<char> Input::Tail() {
  return {block_->data.get() + end_, block_->capacity - end_};
}

absl::Span<char> Input::Room(std::optional<uint64_t> missing) {
  if (block_ != nullptr && begin_ == end_) {
    // Lines around chunks that lie behind the body are done with.
    if (body_begin_ < body_end_) begin_ = end_ = body_end_;
    const size_t least =
        std::min<uint64_t>(kLeastRoom, missing.value_or(kLeastRoom));
    if (block_->capacity - end_ >= least) return Tail();
    Adopt();
    block_.reset();
  }
  if (block_ == nullptr) {
    block_ = pool_->Get(NextCapacity(missing));
    begin_ = end_ = body_begin_ = body_end_ = 0;
    if (block_ == nullptr) return {};
  }
  return Tail();
}

absl::Span<char> Input::RoomAhead() {
  return begin_ == end_ ? Room(std::nullopt) : Tail();
}

void Input::Read(size_t size, absl::string_view body) {
  begin_ += size;
  if (body.empty()) return;
  char* const data = block_->data.get();
  const size_t at = static_cast<size_t>(body.data() - data);
  if (body_begin_ == body_end_) {
    body_begin_ = at;
  } else if (at != body_end_ && body.size() >= kLeastAdopted) {
    Adopt();
    body_begin_ = at;
  } else if (at != body_end_) {
    std::memmove(data + body_end_, body.data(), body.size());
    body_end_ += body.size();
    return;
  }
  body_end_ = at + body.size();
}

void Input::Adopt() {
  if (body_begin_ == body_end_) return;
  body_.Append(absl::MakeCordFromExternal(
      {block_->data.get() + body_begin_, body_end_ - body_begin_},
      [block = block_] {}));
  body_begin_ = body_end_;
}

absl::Cord Input::TakeBody() {
  Adopt();
  return std::exchange(body_, absl::Cord());
}

void Input::Trim() {
  if (begin_ == end_ && body_begin_ == body_end_) block_.reset();
  if (block_ == nullptr) begin_ = end_ = body_begin_ = body_end_ = 0;
}

void Input::Clear() {
  block_.reset();
  begin_ = end_ = body_begin_ = body_end_ = 0;
  body_.Clear();
}

}  // namespace http
