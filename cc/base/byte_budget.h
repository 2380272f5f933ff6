// A bound for the bytes that everything in flight holds, whoever holds them:
// bodies being received, requests that wait, answers being sent.
#ifndef CC_BASE_BYTE_BUDGET_H_
#define CC_BASE_BYTE_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <utility>

namespace base {

// Thread-safe. Outlives whoever has taken of it.
class ByteBudget {
 public:
  explicit ByteBudget(size_t limit) : limit_(limit) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // False, and nothing is taken, where the limit would be passed.
  bool Take(size_t bytes) {
    size_t held = held_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - held) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes,
                                          std::memory_order_relaxed));
    return true;
  }
  void Release(size_t bytes) {
    held_.fetch_sub(bytes, std::memory_order_relaxed);
  }

  size_t held() const { return held_.load(std::memory_order_relaxed); }
  size_t limit() const { return limit_; }

 private:
  const size_t limit_;
  std::atomic<size_t> held_{0};
};

// What one owner has taken of a budget; goes back with it.
class Charge {
 public:
  Charge() = default;
  // nullptr: there is no limit.
  explicit Charge(ByteBudget* budget) : budget_(budget) {}
  ~Charge() { Resize(0); }
  Charge(Charge&& other) noexcept
      : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  // So many in all. False, and nothing changes, where the limit would be
  // passed.
  bool Resize(size_t bytes) {
    if (budget_ == nullptr) return true;
    if (bytes > bytes_ && !budget_->Take(bytes - bytes_)) return false;
    if (bytes < bytes_) budget_->Release(bytes_ - bytes);
    bytes_ = bytes;
    return true;
  }

 private:
  ByteBudget* budget_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace base

#endif  // CC_BASE_BYTE_BUDGET_H_
