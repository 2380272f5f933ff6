// What became of the requests for one version of a model since it was loaded:
// what Triton's statistics extension tells.
// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
#ifndef CC_INFER_STATISTICS_H_
#define CC_INFER_STATISTICS_H_

#include <chrono>
#include <cstdint>
#include <map>

#include "cc/infer/call.h"

namespace infer {

struct Duration {
  void Add(Clock::duration one) {
    ++count;
    total += one;
  }

  uint64_t count = 0;
  Clock::duration total{};
};

// On the loop's thread.
struct Statistics {
  uint64_t rows = 0;  // of the requests that were answered
  uint64_t runs = 0;  // of the engine
  // Of the last request that was computed; the epoch: there was none.
  std::chrono::system_clock::time_point last;
  Duration success, failure;  // whole requests
  // Parts of those that were computed: reading, waiting, the run that they were
  // part of, writing.
  Duration decode, queue, compute, encode;
  std::map<int64_t, Duration> batches;  // runs by their rows, without padding
};

}  // namespace infer

#endif  // CC_INFER_STATISTICS_H_
