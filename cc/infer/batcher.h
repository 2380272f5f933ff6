// Decides which requests of a model are computed together, and when. Pure: it
// has no clock, thread or engine of its own.
#ifndef CC_INFER_BATCHER_H_
#define CC_INFER_BATCHER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "cc/infer/call.h"

namespace infer {

struct BatchPolicy {
  // Rows of a batch of several requests; 1: each request runs alone.
  int64_t max_rows = 1;
  // How long a request may wait for company while an instance is idle. Zero:
  // what has come together goes together, and nothing waits.
  Clock::duration max_delay{};
  // Sizes that batches are padded to, ascending: the engine prepares each size
  // once, and oneDNN's cache holds ten. Empty: any size.
  std::vector<int64_t> buckets;
  size_t max_queue = 256;
  size_t max_queue_bytes = size_t{256} << 20;
  // Longest wait of a request without a timeout of its own; zero: none.
  Clock::duration queue_timeout{};
};

struct Batch {
  std::vector<std::shared_ptr<Call>> calls;  // not empty
  int64_t rows = 0;
  int64_t padded_rows = 0;  // >= rows
};

// Such sizes up to `max_rows`: 1, 2, 4, ... and the largest; between the larger
// ones 12, 24, ..., as long as there are no more than eight: the engine starts
// anew after ten shapes.
std::vector<int64_t> Buckets(int64_t max_rows);

class Batcher {
 public:
  explicit Batcher(const BatchPolicy& policy) : policy_(policy) {}

  // RESOURCE_EXHAUSTED where too much waits.
  absl::Status Add(std::shared_ptr<Call> call, Clock::time_point now);

  // Puts a call that was taken before all that wait with its priority, however
  // many do. `alone`: it runs without company, and unpadded.
  void PutBack(std::shared_ptr<Call> call, bool alone, Clock::time_point now);

  // What an idle instance should run now, if anything. Of the calls that wait,
  // those with the smallest priority go first, and then the oldest; they are
  // joined by others with equal types and shapes but for the number of rows.
  // Calls that are cancelled are dropped, and those past their deadline or the
  // queue's are finished with DEADLINE_EXCEEDED, also while no instance is
  // idle: see Expire.
  std::optional<Batch> Next(Clock::time_point now);

  void Expire(Clock::time_point now);

  // When Expire, or, while an instance is idle, Next would do something that it
  // does not do now; nullopt: when another call comes.
  std::optional<Clock::time_point> Wake(bool idle) const;

  // Finishes all with this status.
  void Fail(const absl::Status& status);

  size_t size() const { return size_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Waiting {
    std::shared_ptr<Call> call;
    Clock::time_point since;
    Clock::time_point until;  // time_point::max(): for ever
    int64_t rows;
    bool alone;  // it has no company, as its inputs differ in their rows
    size_t bytes;
  };
  using Queue = std::deque<Waiting>;

  Waiting MakeWaiting(std::shared_ptr<Call> call, Clock::time_point now) const;
  Queue* QueueOf(const Call& call);
  void Remove(const Waiting& waiting);
  // Erases those that f, called once for each, is true for.
  template <typename F>
  void EraseIf(F f);
  bool Joins(const Waiting& first, const Waiting& other) const;
  int64_t Padded(int64_t rows) const;

  const BatchPolicy policy_;
  std::map<uint64_t, Queue> queues_;  // by priority; none is empty
  size_t size_ = 0;
  size_t bytes_ = 0;
};

// Rows of a request: the first dimension of its inputs.
int64_t RowsOf(const Request& request);

}  // namespace infer

#endif  // CC_INFER_BATCHER_H_
