#include "cc/frontend/grpc/incoming.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/base/copy_counter.h"

namespace grpc {
namespace {

// Parts from here on stay where they are: a part of a cord costs some 100
// bytes, and keeps its block.
constexpr size_t kLeastAdopted = 1024;

}  // namespace

absl::StatusOr<std::optional<Incoming::Message>> Incoming::Feed(
    absl::string_view* bytes, const std::shared_ptr<http::Block>& block) {
  if (prefix_size_ < kPrefix) {
    const size_t size = std::min(kPrefix - prefix_size_, bytes->size());
    std::copy_n(bytes->data(), size, prefix_.data() + prefix_size_);
    prefix_size_ += size;
    bytes->remove_prefix(size);
    if (prefix_size_ < kPrefix) return std::nullopt;
    if (absl::Status status = OnPrefix(); !status.ok()) return status;
  }
  const absl::string_view part = bytes->substr(0, missing_);
  const bool whole = message_.empty() && part.size() == missing_;
  if (!part.empty() && !Append(part, block, whole)) {
    return absl::ResourceExhaustedError(
        "the server has no memory for a further request now");
  }
  missing_ -= part.size();
  bytes->remove_prefix(part.size());
  if (missing_ > 0) return std::nullopt;
  prefix_size_ = 0;
  // What was copied is little, and waits in a queue that has its own bounds.
  budget_->Release(std::exchange(charged_, 0));
  return Message{std::exchange(message_, {}), prefix_[0] != 0};
}

absl::Status Incoming::OnPrefix() {
  missing_ = 0;
  for (size_t i = 1; i < kPrefix; ++i) {
    missing_ = missing_ << 8 | static_cast<uint8_t>(prefix_[i]);
  }
  if (missing_ > max_bytes_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the message has ", missing_, " bytes; at most ",
                     max_bytes_, " (--max_request_bytes) are read"));
  }
  if (prefix_[0] == 0 || (prefix_[0] == 1 && may_be_compressed_)) {
    return absl::OkStatus();
  }
  return absl::InternalError(
      "the message is said to be compressed, but the call has no "
      "grpc-encoding");
}

bool Incoming::Append(absl::string_view part,
                      const std::shared_ptr<http::Block>& block, bool whole) {
  if (block != nullptr && (whole || part.size() >= kLeastAdopted)) {
    message_.Append(absl::MakeCordFromExternal(part, [block] {}));
    return true;
  }
  if (!budget_->Take(part.size())) return false;
  charged_ += part.size();
  base::CountCopy(part.size());
  message_.Append(part);
  return true;
}

void Incoming::Forget() {
  message_.Clear();
  budget_->Release(std::exchange(charged_, 0));
}

}  // namespace grpc
