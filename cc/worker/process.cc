#include "cc/worker/process.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <new>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/base/copy_counter.h"
#include "cc/worker/channel.h"
#include "cc/worker/segment.h"

namespace worker {
namespace {

using infer::BatchInput;
using infer::BatchResult;

// Segments that are read no more, to be told to the worker with its next run.
// Answers may be let go by any thread.
class Released {
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

// A segment of outputs while somebody reads what one run has left there.
class Lease {
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

// One instance of the model.
class Slot {
 public:
  using Dones = std::vector<infer::Executor::Done>;

  Slot(base::Loop* loop, Channel channel, const ProcessOptions& options,
       std::function<void()> on_message, std::function<void()> on_timeout)
      : channel_(std::move(channel)),
        timeout_(options.run_timeout),
        budget_(options.budget),
        timer_(loop, std::move(on_timeout)),
        watch_(loop, channel_.fd(),
               [on_message = std::move(on_message)](bool, bool) {
                 on_message();
               }) {
    watch_.Want(/*read=*/true, /*write=*/false);
  }

  // An error where they could not be sent; `dones` are then not taken.
  absl::Status Run(const std::vector<std::vector<BatchInput>>& runs,
                   std::vector<infer::Executor::Done>* dones) {
    worker::Run run;
    std::vector<int> fds;
    size_t bytes = 0;
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
    size_t offset = 0;
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
    if (timeout_.count() > 0) timer_.Start(timeout_);
    return absl::OkStatus();
  }

  void ReleaseMemory() {
    worker::Run run;
    run.release_memory = true;
    run.released = released_->Take();
    if (!channel_.Send(Encode(run)).ok()) return;
    segment_.reset();
    waiting_.emplace_back();
  }

  // Whether there was an answer; an error where the worker is gone, or says
  // what makes no sense.
  absl::StatusOr<bool> Receive(const std::vector<base::TensorSpec>& specs) {
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

  bool gone() const { return gone_; }

  // It has nothing more to say.
  void Hush() { watch_.Want(/*read=*/false, /*write=*/false); }

  std::deque<Dones> TakeWaiting() {
    timer_.Stop();
    return std::exchange(waiting_, {});
  }

 private:
  size_t Size() const { return segment_ == nullptr ? 0 : segment_->size(); }

  using Leases = std::map<int64_t, std::shared_ptr<Lease>>;

  // A segment of outputs: the worker's, until there is memory to map it.
  struct Output {
    Fd fd;
    std::shared_ptr<Segment> segment;
  };

  // What a message says of the runs. INTERNAL where it makes no sense.
  absl::Status Read(const std::vector<base::TensorSpec>& specs, const Ran& ran,
                    std::vector<BatchResult>* results) {
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

  // Those that outputs lie in. INTERNAL where there are no such.
  absl::Status Lend(const std::vector<RunOutput>& outputs, Leases* leases) {
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

  // The outputs, where they lie.
  absl::Status Adopt(const std::vector<base::TensorSpec>& specs,
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

  Channel channel_;
  const std::chrono::milliseconds timeout_;
  base::ByteBudget* const budget_;
  base::Timer timer_;
  base::Watch watch_;
  bool gone_ = false;                 // a run could not be sent
  std::unique_ptr<Segment> segment_;  // of inputs
  std::map<int64_t, Output> outputs_;
  const std::shared_ptr<Released> released_ = std::make_shared<Released>();
  std::deque<Dones> waiting_;  // for answers, in order; empty: memory
};

class Process : public infer::Executor {
 public:
  Process(base::Loop* loop, Spawner* spawner, const ProcessOptions& options,
          infer::Backend::Events events)
      : loop_(loop),
        spawner_(spawner),
        options_(options),
        events_(std::move(events)) {}

  ~Process() override {
    if (worker_ != 0) {
      spawner_->Forget(worker_);
      spawner_->Kill(worker_);
    }
  }

  void Start() {
    if (absl::Status status = Spawn(); !status.ok()) {
      // Events come later, and not to whom is gone meanwhile.
      loop_->Defer([alive = std::weak_ptr(alive_), this, status] {
        if (alive.lock()) events_.on_loaded(status, {});
      });
    }
  }

  size_t slots() const override { return slots_.size(); }

  void RunAll(size_t slot, const std::vector<std::vector<BatchInput>>& runs,
              std::vector<Done> dones) override {
    absl::Status status = slots_[slot]->Run(runs, &dones);
    if (status.ok()) return;
    const bool begun = !slots_[slot]->gone();
    loop_->Defer([status, begun, dones = std::move(dones)] {
      for (const Done& done : dones) done({status, {}, {}, begun});
    });
  }

  void ReleaseMemory(size_t slot) override { slots_[slot]->ReleaseMemory(); }

 private:
  absl::Status Spawn() {
    auto control = Channel::Pair();
    if (!control.ok()) return control.status();
    std::vector<Channel> theirs;
    for (int i = 0; i < options_.load.slots; ++i) {
      auto slot = Channel::Pair();
      if (!slot.ok()) return slot.status();
      theirs.push_back(std::move(slot->second));
      slots_.push_back(std::make_unique<Slot>(
          loop_, std::move(slot->first), options_,
          [this, i] { OnMessage(static_cast<size_t>(i)); },
          [this] {
            timed_out_ = true;
            End(
                absl::StrCat("was ended: a run took longer than "
                             "--run_timeout_ms=",
                             options_.run_timeout.count()));
          }));
    }
    control_.emplace(std::move(control->first));
    auto worker =
        spawner_->Spawn(std::move(control->second), std::move(theirs),
                        [this](const std::string& why) { OnExit(why); });
    if (!worker.ok()) return worker.status();
    worker_ = *worker;
    watch_ = std::make_unique<base::Watch>(loop_, control_->fd(),
                                           [this](bool, bool) { OnControl(); });
    watch_->Want(/*read=*/true, /*write=*/false);
    return control_->Send(Encode(options_.load));
  }

  void OnControl() {
    auto message = control_->Receive(/*wait=*/false);
    // What it ended of, the spawner tells.
    if (!message.ok()) return watch_.reset();
    if (!message->has_value()) return;
    Loaded loaded;
    if (!Decode((*message)->bytes, &loaded)) {
      return End("sent what is no answer");
    }
    specs_ = loaded.outputs;
    watch_->Want(/*read=*/false, /*write=*/false);
    loaded_ = true;
    events_.on_loaded(loaded.status,
                      {"paddle_inference", std::move(loaded.inputs),
                       std::move(loaded.outputs), loaded.equal_bits,
                       std::move(loaded.trial)});
  }

  void OnMessage(size_t slot) {
    absl::StatusOr<bool> received;
    try {
      received = slots_[slot]->Receive(specs_);
    } catch (const std::bad_alloc&) {
      // Which answers were told and which were not is not known any more.
      received = absl::InternalError(
          "was ended: the server had no memory to hear its answer");
    }
    if (received.ok()) return;
    slots_[slot]->Hush();
    if (absl::IsUnavailable(received.status())) {
      // Of an end the spawner tells more; whoever lives on does not serve.
      if (worker_ != 0) spawner_->Kill(worker_);
      return;
    }
    End(std::string(received.status().message()));
  }

  // Ends it, for a reason that is ours to tell.
  void End(const std::string& why) {
    if (worker_ == 0) return;
    reason_ = why;
    spawner_->Kill(worker_);
  }

  void OnExit(const std::string& why) {
    worker_ = 0;
    const std::string reason = reason_.empty() ? why : reason_;
    if (!loaded_) {
      return events_.on_loaded(
          absl::InternalError(absl::StrCat("the worker process ", reason)), {});
    }
    // First, so that what is answered below is not followed by further runs.
    events_.on_ended(reason);
    const std::string told = absl::StrCat("its worker process ", reason,
                                          " while it computed this request");
    const absl::Status status = timed_out_ ? absl::DeadlineExceededError(told)
                                           : absl::InternalError(told);
    for (const auto& slot : slots_) {
      // What it said before its end is still to be heard.
      for (auto heard = slot->Receive(specs_); heard.ok() && *heard;
           heard = slot->Receive(specs_)) {
      }
      slot->Hush();
      for (const Slot::Dones& dones : slot->TakeWaiting()) {
        for (const Done& done : dones) done({status, {}, {}, /*begun=*/true});
      }
    }
  }

  base::Loop* const loop_;
  Spawner* const spawner_;
  const ProcessOptions options_;
  const infer::Backend::Events events_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::optional<Channel> control_;
  std::unique_ptr<base::Watch> watch_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<base::TensorSpec> specs_;  // of outputs
  int64_t worker_ = 0;
  bool loaded_ = false;
  bool timed_out_ = false;
  std::string reason_;
};

}  // namespace

std::unique_ptr<infer::Executor> ProcessBackend::Start(
    const std::string& directory, const std::vector<int64_t>& buckets,
    bool awaited, Events events) {
  ProcessOptions options = options_;
  options.load.directory = directory;
  options.load.buckets = buckets;
  options.load.awaited = awaited;
  auto process =
      std::make_unique<Process>(loop_, spawner_, options, std::move(events));
  process->Start();
  return process;
}

}  // namespace worker
