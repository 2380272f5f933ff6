// Frames' payloads -> messages of gRPC: five bytes of length before each.
#ifndef CC_FRONTEND_GRPC_INCOMING_H_
#define CC_FRONTEND_GRPC_INCOMING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/byte_budget.h"
#include "cc/frontend/http/block.h"

namespace grpc {

class Incoming {
 public:
  static constexpr size_t kPrefix = 5;
  struct Message {
    absl::Cord bytes;
    bool compressed = false;
  };

  Incoming(size_t max_bytes, base::ByteBudget* budget)
      : max_bytes_(max_bytes), budget_(budget) {}
  ~Incoming() { Forget(); }
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  // The call has a coding; else a message that is compressed is an error.
  void AllowCompressed() { may_be_compressed_ = true; }

  // Takes bytes from the front of what came, up to the end of a message, which
  // it gives. They lie in `block` (nullptr: in none), and stay there if they
  // are a whole message or a large part of one; the rest is copied, and taken
  // of the budget. An error where the message is too large or wrongly
  // compressed, or there is no memory; after it nothing more is to be fed.
  absl::StatusOr<std::optional<Message>> Feed(
      absl::string_view* bytes, const std::shared_ptr<http::Block>& block);

  // Whether part of a message is there.
  bool within() const { return prefix_size_ > 0; }
  void Forget();

 private:
  absl::Status OnPrefix();
  bool Append(absl::string_view part, const std::shared_ptr<http::Block>& block,
              bool whole);

  const size_t max_bytes_;
  base::ByteBudget* const budget_;
  bool may_be_compressed_ = false;
  std::array<char, kPrefix> prefix_ = {};
  size_t prefix_size_ = 0;
  size_t missing_ = 0;  // bytes of the message
  absl::Cord message_;
  size_t charged_ = 0;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_INCOMING_H_
