// Memory that requests are received into, and that their bodies keep.
#ifndef CC_FRONTEND_HTTP_BLOCK_H_
#define CC_FRONTEND_HTTP_BLOCK_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/byte_budget.h"

namespace http {

struct Block {
  // So many bytes behind `capacity` are readable: simdjson reads beyond the
  // end of its text (SIMDJSON_PADDING).
  static constexpr size_t kSlack = 64;
  // Of most blocks: a small request with its head, or a part of a large one.
  static constexpr size_t kUsual = 32 << 10;

  explicit Block(size_t capacity)
      : capacity(capacity), data(new char[capacity + kSlack]) {}

  const size_t capacity;
  const std::unique_ptr<char[]> data;  // what is in it is not initialised
};

// Gives blocks within the budget and keeps some of those that came back.
// Thread-safe; lives as long as its last block.
class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  static std::shared_ptr<BlockPool> Make(base::ByteBudget* budget);

  // nullptr where the budget or the memory is used up.
  std::shared_ptr<Block> Get(size_t capacity);

 private:
  // 2 MiB of them.
  static constexpr size_t kFree = 64;

  explicit BlockPool(base::ByteBudget* budget) : budget_(budget) {}
  std::unique_ptr<Block> Allocate(size_t capacity);
  void Put(std::unique_ptr<Block> block);

  base::ByteBudget* const budget_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Block>> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_BLOCK_H_
