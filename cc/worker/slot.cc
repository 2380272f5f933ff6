#include "cc/worker/slot.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/copy_counter.h"
#include "cc/worker/progress.h"

namespace worker {

using infer::BatchInput;
using infer::BatchResult;

namespace {

// The number of bytes that lie in a segment, 64-byte aligned each.
size_t BytesOf(const BatchInput& input) {
  return Aligned(input.bytes +
                 static_cast<size_t>(input.padding_rows) * input.row_bytes);
}

char* Copy(const BatchInput& input, char* to) {
  char* const begin = to;
  for (const absl::Cord* part : input.parts) {
    for (const absl::string_view chunk : part->Chunks()) {
      std::memcpy(to, chunk.data(), chunk.size());
      to += chunk.size();
    }
  }
  base::CountCopy(static_cast<size_t>(to - begin));
  for (int64_t i = 0; i < input.padding_rows; ++i) {
    std::memcpy(to, to - input.row_bytes, input.row_bytes);
    to += input.row_bytes;
  }
  return to;
}

}  // namespace

// Told to the worker with its next run. Answers may be let go by any thread.
class Slot::Released {
 public:
  void Add(int64_t segment) {
    absl::MutexLock lock(&mutex_);
    segments_.push_back(segment);
  }
  std::vector<int64_t> Take() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(segments_, {});
  }

 private:
  absl::Mutex mutex_;
  std::vector<int64_t> segments_ ABSL_GUARDED_BY(mutex_);
};

class Slot::Lease {
 public:
  Lease(std::shared_ptr<Released> released, int64_t number)
      : released_(std::move(released)), number_(number) {}
  // A copy would release it a second time, while it is read.
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() { released_->Add(number_); }

 private:
  const std::shared_ptr<Released> released_;
  const int64_t number_;
};

Slot::Slot(base::Loop* loop, Channel channel,
           std::chrono::milliseconds run_timeout, base::ByteBudget* budget,
           Events events)
    : channel_(std::move(channel)),
      run_timeout_(run_timeout),
      budget_(budget),
      timer_(loop, std::move(events.on_timeout)),
      watch_(loop, channel_.fd(),
             [on_message = std::move(events.on_message)](bool, bool) {
               on_message();
             }),
      released_(std::make_shared<Released>()) {
  watch_.Want(/*read=*/true, /*write=*/false);
}

absl::Status Slot::Run(const std::vector<std::vector<BatchInput>>& runs,
                       std::vector<infer::Executor::Done>* dones) {
  worker::Run run;
  std::vector<int> fds;
  size_t bytes = Progress::kBytes;
  for (const auto& inputs : runs) {
    for (const BatchInput& input : inputs) bytes += BytesOf(input);
  }
  if (segment_ == nullptr || segment_->size() < bytes) {
    auto segment = Segment::Create(std::max(bytes, 2 * Size()));
    if (!segment.ok()) {
      return absl::UnavailableError(absl::StrCat(
          "the server has no room for it: ", segment.status().message()));
    }
    segment_ = *std::move(segment);
    run.new_segment = true;
    fds.push_back(segment_->fd());
  }
  Progress(segment_->data()).Reset();
  size_t offset = Progress::kBytes;
  for (const auto& inputs : runs) {
    std::vector<RunInput>& placed = run.inputs.emplace_back();
    for (const BatchInput& input : inputs) {
      char* const begin = segment_->data() + offset;
      const char* const end = Copy(input, begin);
      placed.push_back({{0, static_cast<int64_t>(offset), end - begin},
                        input.shape,
                        input.lod});
      offset += BytesOf(input);
    }
  }
  run.released = released_->Take();
  if (absl::Status sent = channel_.Send(Encode(run), fds); !sent.ok()) {
    gone_ = absl::IsUnavailable(sent);
    // What the worker was not told is told with the next run.
    segment_.reset();
    for (const int64_t segment : run.released) released_->Add(segment);
    return sent;
  }
  segment_->CloseFd();
  waiting_.push_back(std::move(*dones));
  if (run_timeout_.count() > 0) timer_.Start(run_timeout_);
  return absl::OkStatus();
}

void Slot::ReleaseMemory() {
  worker::Run run;
  run.release_memory = true;
  run.released = released_->Take();
  if (!channel_.Send(Encode(run)).ok()) return;
  segment_.reset();
  waiting_.emplace_back();
}

absl::StatusOr<bool> Slot::Receive(const std::vector<base::TensorSpec>& specs) {
  auto message = channel_.Receive(/*wait=*/false);
  if (!message.ok()) return message.status();
  if (!message->has_value()) return false;
  Ran ran;
  if (waiting_.empty() || !Decode((*message)->bytes, &ran) ||
      ran.segments.size() != (*message)->fds.size()) {
    return absl::InternalError("sent what is no answer");
  }
  for (size_t i = 0; i < ran.segments.size(); ++i) {
    outputs_[ran.segments[i]].fd = std::move((*message)->fds[i]);
  }
  const Dones dones = std::move(waiting_.front());
  waiting_.pop_front();
  if (waiting_.empty()) timer_.Stop();
  std::vector<BatchResult> results(dones.size());
  absl::Status status = Read(specs, ran, &results);
  if (!status.ok()) {
    waiting_.push_front(dones);
    return status;
  }
  for (size_t i = 0; i < dones.size(); ++i) dones[i](std::move(results[i]));
  return true;
}

void Slot::Distrust() {
  if (segment_ != nullptr) Progress(segment_->data()).Distrust();
}

void Slot::FailWaiting(const absl::Status& status) {
  timer_.Stop();
  for (const Dones& dones : std::exchange(waiting_, {})) {
    for (size_t i = 0; i < dones.size(); ++i) {
      const bool again =
          Progress(segment_->data()).CanRunAgain(i, dones.size());
      dones[i]({status, {}, {}, /*begun=*/!again});
    }
  }
}

absl::Status Slot::Read(const std::vector<base::TensorSpec>& specs,
                        const Ran& ran, std::vector<BatchResult>* results) {
  if (!ran.status.ok()) {
    for (BatchResult& result : *results) result.status = ran.status;
    return absl::OkStatus();
  }
  if (ran.results.size() != results->size()) {
    return absl::InternalError("sent answers that nobody asked for");
  }
  // Each segment is lent once for all runs of the message.
  Leases leases;
  for (size_t i = 0; i < results->size(); ++i) {
    const RunResult& run = ran.results[i];
    BatchResult& result = (*results)[i];
    result.status = run.status;
    result.compute = std::chrono::nanoseconds(run.compute_ns);
    if (!run.status.ok()) continue;
    result.status = Adopt(specs, run.outputs, &leases, &result.outputs);
    if (absl::IsInternal(result.status)) return result.status;
  }
  return absl::OkStatus();
}

absl::Status Slot::Lend(const std::vector<RunOutput>& outputs, Leases* leases) {
  absl::Status status;
  for (const RunOutput& output : outputs) {
    const int64_t number = output.place.segment;
    const auto found = outputs_.find(number);
    if (found == outputs_.end()) {
      return absl::InternalError("sent outputs that lie nowhere");
    }
    std::shared_ptr<Segment>& segment = found->second.segment;
    if (segment == nullptr) {
      auto opened = Segment::Open(found->second.fd, /*writable=*/false);
      if (opened.ok()) {
        segment = *std::move(opened);
        found->second.fd = Fd();
      } else if (absl::IsInternal(opened.status())) {
        return opened.status();
      } else {
        // Not the worker's fault, which keeps it for another answer.
        status = absl::UnavailableError(
            absl::StrCat("the server has no room for the answer: ",
                         opened.status().message()));
      }
    }
    std::shared_ptr<Lease>& lease = (*leases)[number];
    if (lease == nullptr) {
      lease = std::make_shared<Lease>(released_, number);
    }
  }
  return status;
}

absl::Status Slot::Adopt(const std::vector<base::TensorSpec>& specs,
                         const std::vector<RunOutput>& outputs, Leases* leases,
                         std::vector<infer::Tensor>* tensors) {
  if (outputs.size() != specs.size()) {
    return absl::InternalError("sent outputs that it has not");
  }
  if (absl::Status status = Lend(outputs, leases); !status.ok()) {
    return status;
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    const RunOutput& output = outputs[i];
    const auto& [number, offset, bytes] = output.place;
    const std::shared_ptr<Lease>& lease = (*leases)[number];
    const std::shared_ptr<Segment>& segment = outputs_[number].segment;
    const int64_t size = static_cast<int64_t>(segment->size());
    if (offset < 0 || bytes < 0 || offset > size || bytes > size - offset) {
      return absl::InternalError("sent outputs that lie nowhere");
    }
    infer::Tensor& tensor = tensors->emplace_back();
    tensor.name = specs[i].name;
    tensor.dtype = output.dtype;
    tensor.shape = output.shape;
    tensor.lod = output.lod;
    if (bytes == 0) continue;
    const size_t charge = static_cast<size_t>(bytes);
    if (budget_ != nullptr && !budget_->Take(charge)) {
      return absl::UnavailableError(
          absl::StrCat("the server has no room for an answer of ", bytes,
                       " bytes just now (--max_inflight_bytes)"));
    }
    tensor.data = absl::MakeCordFromExternal(
        absl::string_view(segment->data() + offset, charge),
        [lease, segment, budget = budget_, charge] {
          if (budget != nullptr) budget->Release(charge);
        });
  }
  return absl::OkStatus();
}

}  // namespace worker
