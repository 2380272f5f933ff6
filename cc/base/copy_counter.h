// Counts bytes of tensors that a front end copies between a client and a model,
// so that a test can hold it to none.
#ifndef CC_BASE_COPY_COUNTER_H_
#define CC_BASE_COPY_COUNTER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace base {

inline std::atomic<uint64_t> copied_tensor_bytes{0};

// Thread-safe.
inline void CountCopy(size_t bytes) {
  copied_tensor_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace base

#endif  // CC_BASE_COPY_COUNTER_H_
