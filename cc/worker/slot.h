// The server's side of one instance of a worker's model: puts inputs where the
// worker reads them, and takes outputs from where it has left them.
#ifndef CC_WORKER_SLOT_H_
#define CC_WORKER_SLOT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/base/tensor_spec.h"
#include "cc/infer/executor.h"
#include "cc/worker/channel.h"
#include "cc/worker/messages.h"
#include "cc/worker/segment.h"

namespace worker {

class Slot {
 public:
  struct Events {
    std::function<void()> on_message;  // Receive has something to hear
    std::function<void()> on_timeout;  // a run took longer than `run_timeout`
  };

  // `budget`, what answers are charged to, outlives them; nullptr: none.
  Slot(base::Loop* loop, Channel channel, std::chrono::milliseconds run_timeout,
       base::ByteBudget* budget, Events events);

  // An error where they could not be sent; `dones` are then not taken.
  absl::Status Run(const std::vector<std::vector<infer::BatchInput>>& runs,
                   std::vector<infer::Executor::Done>* dones);
  void ReleaseMemory();

  // Whether there was an answer, with outputs as `specs` has them; an error
  // where the worker is gone, or says what makes no sense.
  absl::StatusOr<bool> Receive(const std::vector<base::TensorSpec>& specs);

  // Whether a run could not be sent, as the worker is gone.
  bool gone() const { return gone_; }

  // Nothing of it runs again, as if all had been computed when it ended.
  void Distrust();

  // It has nothing more to say.
  void Hush() { watch_.Want(/*read=*/false, /*write=*/false); }

  // Its worker is gone. The run that was being computed is answered with
  // `status`; those that went with it can be begun anew.
  void FailWaiting(const absl::Status& status);

 private:
  using Dones = std::vector<infer::Executor::Done>;

  // Segments of outputs that are read no more, for the worker to know.
  class Released;
  // A segment of outputs while somebody reads what one run has left there.
  class Lease;
  using Leases = std::map<int64_t, std::shared_ptr<Lease>>;

  // A segment of outputs: the worker's, until there is memory to map it.
  struct Output {
    Fd fd;
    std::shared_ptr<Segment> segment;
  };

  size_t Size() const { return segment_ == nullptr ? 0 : segment_->size(); }

  // What a message says of the runs. INTERNAL where it makes no sense.
  absl::Status Read(const std::vector<base::TensorSpec>& specs, const Ran& ran,
                    std::vector<infer::BatchResult>* results);
  // Those that outputs lie in. INTERNAL where there are no such.
  absl::Status Lend(const std::vector<RunOutput>& outputs, Leases* leases);
  // The outputs, where they lie.
  absl::Status Adopt(const std::vector<base::TensorSpec>& specs,
                     const std::vector<RunOutput>& outputs, Leases* leases,
                     std::vector<infer::Tensor>* tensors);

  Channel channel_;
  const std::chrono::milliseconds run_timeout_;
  base::ByteBudget* const budget_;
  base::Timer timer_;
  base::Watch watch_;
  bool gone_ = false;
  std::unique_ptr<Segment> segment_;  // of inputs
  std::map<int64_t, Output> outputs_;
  const std::shared_ptr<Released> released_;
  std::deque<Dones> waiting_;  // for answers, in order; empty: memory
};

}  // namespace worker

#endif  // CC_WORKER_SLOT_H_
