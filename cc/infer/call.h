// One request for inference and its answer, whatever protocol it came by.
#ifndef CC_INFER_CALL_H_
#define CC_INFER_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cc/base/clock.h"
#include "cc/infer/tensor.h"

namespace infer {

using base::Clock;

struct Request {
  std::string id;  // echoed; empty: none
  std::vector<Tensor> inputs;
  std::vector<std::string> outputs;  // names; empty: all of the model's
  // Smaller ones go first; 0: the model's default, between the others.
  uint64_t priority = 0;
  // Beyond it the answer is DEADLINE_EXCEEDED; zero: none.
  Clock::duration timeout{};
};

// A part of what a pipeline of models did for a call.
struct Stage {
  const char* name;  // lives as long as the program
  Clock::time_point begin;
  Clock::time_point end;
};

// Where the time went.
struct Timing {
  Clock::time_point arrival{};   // when the request was read
  Clock::time_point finished{};  // when there was an answer to write
  Clock::duration queue{};       // until a run began
  Clock::duration compute{};     // of the run that the call was part of
  int64_t rows = 0;              // of the call
  int64_t batch_rows = 0;        // of that run, without padding
  int64_t batch_calls = 0;
  std::vector<Stage> stages = {};  // of a pipeline, in the order of their ends

  // It is to be computed anew.
  void ForgetRun() {
    queue = compute = {};
    batch_rows = batch_calls = 0;
  }
};

// Lives on the loop's thread. Made by a front end, passed on to a Servable,
// given back by `done`.
class Call {
 public:
  using Done = std::function<void(Call*)>;

  // `done` is called once, on the loop's thread, with `status` and `outputs`
  // set, unless the call is cancelled.
  Call(Request request, Done done)
      : request(std::move(request)),
        timing{Clock::now()},
        deadline(this->request.timeout > Clock::duration::zero()
                     ? std::optional(timing.arrival + this->request.timeout)
                     : std::nullopt),
        done_(std::move(done)) {}

  // Nobody waits for the answer any more: what has not begun is not computed,
  // and `done` is not called.
  void Cancel() { done_ = nullptr; }
  bool cancelled() const { return done_ == nullptr; }

  // At most once; the call is over.
  void Finish(absl::Status result, std::vector<Tensor> tensors = {}) {
    if (done_ == nullptr) return;
    timing.finished = Clock::now();
    status = std::move(result);
    outputs = std::move(tensors);
    const Done done = std::exchange(done_, nullptr);
    done(this);
  }

  Request request;
  Timing timing;
  const std::optional<Clock::time_point> deadline;

  absl::Status status;
  std::vector<Tensor> outputs;  // in the order asked for

 private:
  Done done_;
};

}  // namespace infer

#endif  // CC_INFER_CALL_H_
