// What the connections of a server have in common.
#ifndef CC_FRONTEND_GRPC_SHARED_H_
#define CC_FRONTEND_GRPC_SHARED_H_

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/frontend/coding/coders.h"
#include "cc/frontend/grpc/grpc.h"
#include "cc/frontend/http/acceptor.h"
#include "cc/frontend/http/block.h"

namespace grpc {

struct Limits {
  size_t message_bytes = 64 << 20;
  uint32_t streams = 256;            // calls at the same time, per connection
  uint32_t header_bytes = 16 << 10;  // as HTTP/2 counts them
};

class Connection;

struct Shared {
  // Loop and budget outlive it.
  Shared(base::Loop* loop, base::ByteBudget* budget, const Limits& limits,
         const http::Timeouts& timeouts);
  ~Shared();
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  base::Loop* const loop;
  base::ByteBudget* const budget;
  const Limits limits;
  const http::Timeouts timeouts;
  const std::shared_ptr<http::BlockPool> pool;
  coding::Coders coders;
  Handler* handler = nullptr;
  std::function<void(Connection*)> closed;  // called by each, at its end
  http::Counts counts;
  std::vector<char> scratch;  // where there is no memory to receive into
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* options = nullptr;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_SHARED_H_
