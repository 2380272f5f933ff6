// Which of a message's runs a worker computes, told in memory that both map: of
// a worker that ended, it says whom the end costs.
#ifndef CC_WORKER_PROGRESS_H_
#define CC_WORKER_PROGRESS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cc/worker/segment.h"

namespace worker {

// Lies at the beginning of a slot's segment of inputs.
class Progress {
 public:
  static constexpr size_t kBytes = kAlignment;

  explicit Progress(char* segment)
      : at_(reinterpret_cast<std::atomic<uint64_t>*>(segment)) {}

  // The server, before it sends the message.
  void Reset() { at_->store(kNone, std::memory_order_release); }
  // The worker, before each run, counted from 0.
  void Begin(size_t run) {
    at_->store(kNone + 1 + run, std::memory_order_release);
  }

  // The server: any of them may be to blame.
  void Distrust() { at_->store(0, std::memory_order_release); }

  // Whether this one of `runs`, which were not answered, was never begun or had
  // ended well, so that another worker can compute it. Where a model has
  // written over what is here, none: what ends workers is not computed twice.
  bool CanRunAgain(size_t run, size_t runs) const {
    const uint64_t begun = at_->load(std::memory_order_acquire) - kNone;
    return begun <= runs && begun != run + 1;
  }

 private:
  // No number that is likely in a tensor.
  static constexpr uint64_t kNone = 0x9d3f'61c8'b25e'7a04;
  static_assert(std::atomic<uint64_t>::is_always_lock_free);

  std::atomic<uint64_t>* const at_;
};

}  // namespace worker

#endif  // CC_WORKER_PROGRESS_H_
