#include "cc/frontend/http/block.h"

#include <new>
#include <utility>

namespace http {

std::shared_ptr<BlockPool> BlockPool::Make(base::ByteBudget* budget) {
  std::shared_ptr<BlockPool> pool(new BlockPool(budget));
  absl::MutexLock lock(&pool->mutex_);
  pool->free_.reserve(kFree);  // so that Put need not allocate
  return pool;
}

std::shared_ptr<Block> BlockPool::Get(size_t capacity) {
  if (!budget_->Take(capacity)) return nullptr;
  std::unique_ptr<Block> block = Allocate(capacity);
  if (block == nullptr) {
    budget_->Release(capacity);
    return nullptr;
  }
  // Should this throw, it calls the deleter.
  return std::shared_ptr<Block>(block.release(),
                                [pool = shared_from_this()](Block* returned) {
                                  pool->budget_->Release(returned->capacity);
                                  pool->Put(std::unique_ptr<Block>(returned));
                                });
}

std::unique_ptr<Block> BlockPool::Allocate(size_t capacity) {
  if (capacity == Block::kUsual) {
    absl::MutexLock lock(&mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Block> block = std::move(free_.back());
      free_.pop_back();
      return block;
    }
  }
  try {
    return std::make_unique<Block>(capacity);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void BlockPool::Put(std::unique_ptr<Block> block) {
  if (block->capacity != Block::kUsual) return;
  absl::MutexLock lock(&mutex_);
  if (free_.size() < kFree) free_.push_back(std::move(block));
}

}  // namespace http
