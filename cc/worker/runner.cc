#include "cc/worker/runner.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/base/clock.h"
#include "cc/base/freed_memory.h"
#include "cc/engine/engine.h"
#include "cc/engine/thread.h"
#include "cc/worker/messages.h"
#include "cc/worker/progress.h"
#include "cc/worker/segment.h"
#include "cc/worker/trial.h"

namespace worker {
namespace {

// Outputs of one run lie in one segment where they fit; a new one has room for
// at least so much, so that small models need one.
constexpr size_t kMinSegment = 64 << 10;

// What runs have freed is looked at (20 us), and stays up to so many bytes.
constexpr auto kTidyEvery = std::chrono::milliseconds(100);
constexpr size_t kKeptBytes = 256 << 20;

// The segments of outputs: in use until the server has released them.
class Outputs : public engine::OutputSink {
 public:
  void Begin() {
    ran_ = Ran();
    new_fds_.clear();
    taken_.clear();
    current_ = nullptr;
    used_ = 0;
  }

  // The outputs that come now are this run's.
  RunResult* BeginRun() {
    ran_.results.emplace_back();
    return &ran_.results.back();
  }

  // Segments that no output lies in, as a run failed, are free again.
  void End() {
    std::set<int64_t> lent;
    for (const RunResult& result : ran_.results) {
      for (const RunOutput& output : result.outputs) {
        lent.insert(output.place.segment);
      }
    }
    for (const int64_t number : taken_) {
      segments_[number].free = lent.count(number) == 0;
    }
  }

  absl::StatusOr<char*> Place(size_t index, engine::DataType dtype,
                              const std::vector<int64_t>& shape,
                              const engine::Lod& lod, size_t bytes) override {
    if (current_ == nullptr || current_->size() - used_ < bytes) {
      if (absl::Status status = Next(bytes); !status.ok()) return status;
    }
    std::vector<RunOutput>& outputs = ran_.results.back().outputs;
    if (outputs.size() <= index) outputs.resize(index + 1);
    outputs[index] = {
        {number_, static_cast<int64_t>(used_), static_cast<int64_t>(bytes)},
        dtype,
        shape,
        lod};
    char* const place = current_->data() + used_;
    used_ = std::min(used_ + Aligned(bytes), current_->size());
    return place;
  }

  void Release(const std::vector<int64_t>& numbers) {
    for (const int64_t number : numbers) {
      const auto found = segments_.find(number);
      if (found != segments_.end()) found->second.free = true;
    }
  }

  // Only those that the server reads stay.
  void Shrink() {
    for (auto& [number, entry] : segments_) {
      if (entry.free) entry.segment->Discard();
    }
  }

  Ran& ran() { return ran_; }
  const std::vector<int>& new_fds() const { return new_fds_; }

 private:
  struct Entry {
    std::unique_ptr<Segment> segment;
    bool free = false;
  };

  // A segment of at least so many bytes becomes the current one: the smallest
  // free one that has them, or a new one.
  absl::Status Next(size_t bytes) {
    Entry* best = nullptr;
    for (auto& [number, entry] : segments_) {
      if (!entry.free || entry.segment->size() < bytes) continue;
      if (best != nullptr && best->segment->size() <= entry.segment->size()) {
        continue;
      }
      best = &entry;
      number_ = number;
    }
    if (best == nullptr) {
      auto segment = Segment::Create(std::max(bytes * 2, kMinSegment));
      if (!segment.ok()) return segment.status();
      number_ = ++last_;
      best = &segments_[number_];
      best->segment = *std::move(segment);
      ran_.segments.push_back(number_);
      new_fds_.push_back(best->segment->fd());
    }
    best->free = false;
    taken_.push_back(number_);
    current_ = best->segment.get();
    used_ = 0;
    return absl::OkStatus();
  }

  std::map<int64_t, Entry> segments_;
  int64_t last_ = 0;
  Segment* current_ = nullptr;
  int64_t number_ = 0;
  size_t used_ = 0;
  Ran ran_;
  std::vector<int> new_fds_;
  std::vector<int64_t> taken_;  // segments of this message
};

class Slot {
 public:
  Slot(std::unique_ptr<engine::Engine> engine, Channel channel)
      : engine_(std::move(engine)), channel_(std::move(channel)) {}

  // Until the server is gone.
  void Serve() {
    while (true) {
      auto message = channel_.Receive(/*wait=*/true);
      if (!message.ok()) return;
      Run run;
      outputs_.Begin();
      absl::Status status;
      if (!Decode((*message)->bytes, &run)) {
        status = absl::InternalError("the server sent what is no run");
      } else {
        status = Obey(run, std::move((*message)->fds));
      }
      Ran& ran = outputs_.ran();
      ran.status = status;
      outputs_.End();
      absl::Status sent = channel_.Send(Encode(ran), outputs_.new_fds());
      if (absl::IsResourceExhausted(sent)) {
        // Offsets of so many sequences, or an error of so many words.
        ran.results.clear();
        ran.status = absl::ResourceExhaustedError(absl::StrCat(
            "the answer is too large to be told: ", sent.message()));
        outputs_.End();
        sent = channel_.Send(Encode(ran), outputs_.new_fds());
      }
      if (!sent.ok()) return;
      Tidy();
    }
  }

 private:
  // The next run has what this one freed. Where sizes change, more and more of
  // it is of no use to anyone.
  void Tidy() {
    const auto now = base::Clock::now();
    if (now - tidied_ < kTidyEvery) return;
    tidied_ = now;
    if (base::FreedBytes() > kKeptBytes) base::ReturnFreedMemory();
  }

  absl::Status Obey(const Run& run, std::vector<Fd> fds) {
    outputs_.Release(run.released);
    if (run.release_memory) {
      outputs_.Shrink();
      inputs_.reset();
      return engine_->Release();
    }
    if (run.new_segment) {
      if (fds.empty()) return absl::InternalError("no memory came with a run");
      // Writable: some operators compute in place, on an input too.
      auto segment = Segment::Open(fds[0], /*writable=*/true);
      if (!segment.ok()) return segment.status();
      inputs_ = *std::move(segment);
    }
    for (size_t i = 0; i < run.inputs.size(); ++i) {
      Progress(inputs_->data()).Begin(i);
      RunOnce(run.inputs[i]);
    }
    return absl::OkStatus();
  }

  void RunOnce(const std::vector<RunInput>& inputs) {
    RunResult* const result = outputs_.BeginRun();
    std::vector<engine::TensorView> views;
    const std::vector<engine::TensorSpec>& specs = engine_->inputs();
    for (size_t i = 0; i < inputs.size() && i < specs.size(); ++i) {
      const auto& [place, shape, lod] = inputs[i];
      views.push_back({specs[i].name, specs[i].dtype, shape,
                       std::string_view(inputs_->data() + place.offset,
                                        static_cast<size_t>(place.bytes)),
                       lod});
    }
    const auto start = std::chrono::steady_clock::now();
    result->status = engine_->RunInto(views, /*share_inputs=*/true, &outputs_);
    result->compute_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                             std::chrono::steady_clock::now() - start)
                             .count();
    if (!result->status.ok()) result->outputs.clear();
  }

  const std::unique_ptr<engine::Engine> engine_;
  Channel channel_;
  base::Clock::time_point tidied_;
  std::unique_ptr<Segment> inputs_;
  Outputs outputs_;
};

absl::StatusOr<std::vector<std::unique_ptr<engine::Engine>>> LoadEngines(
    const LoadOptions& load) {
  engine::Options options;
  options.model_dir = load.directory;
  options.threads = load.threads;
  options.cpu_engine = load.cpu_engine;
  options.gpu_memory_mb = load.gpu_memory_mb;
  std::vector<std::unique_ptr<engine::Engine>> engines(
      static_cast<size_t>(load.slots));
  // Weights are shared on one device, so each has a load of its own.
  const int devices = std::max(1, static_cast<int>(load.gpus.size()));
  for (int device = 0; device < devices && device < load.slots; ++device) {
    if (!load.gpus.empty()) options.gpu = load.gpus[device];
    auto first = engine::Engine::Load(options);
    if (!first.ok()) return first.status();
    for (int i = device + devices; i < load.slots; i += devices) {
      auto clone = (*first)->Clone();
      if (!clone.ok()) return clone.status();
      engines[i] = *std::move(clone);
    }
    engines[device] = *std::move(first);
  }
  return engines;
}

Loaded Load(const LoadOptions& options,
            std::vector<std::unique_ptr<engine::Engine>>* engines) {
  Loaded loaded;
  auto all = LoadEngines(options);
  if (!all.ok()) {
    loaded.status = all.status();
    return loaded;
  }
  *engines = *std::move(all);
  engine::Engine* const first = engines->front().get();
  loaded.inputs = first->inputs();
  loaded.outputs = first->outputs();
  loaded.checks = first->checks();
  const TrialResult trial = TryBatches(options.buckets, first);
  loaded.equal_bits = trial.equal_bits;
  loaded.trial = trial.why;
  for (const auto& engine : *engines) {
    for (int i = 0; i < options.warm_up; ++i) {
      // A model that does not bear made-up inputs may bear true ones.
      WarmUp(engine.get()).IgnoreError();
    }
  }
  return loaded;
}

// The calling thread, which is all that Linux takes it to mean, gets a quarter
// of a core that a thread which serves wants too. There is no way back without
// privileges.
void YieldToServing() {
  constexpr int kNicer = 5;
  errno = 0;
  const int nice = getpriority(PRIO_PROCESS, 0);
  if (errno == 0) setpriority(PRIO_PROCESS, 0, nice + kNicer);
}

}  // namespace

int RunModel(Channel control, std::vector<Channel> slots) {
  auto message = control.Receive(/*wait=*/true);
  LoadOptions options;
  if (!message.ok() || !Decode((*message)->bytes, &options)) return 1;
  prctl(PR_SET_NAME, "paddle_worker");
  // OpenVINO keeps its memory itself.
  if (!IsOpenVino(options.cpu_engine)) base::KeepFreedMemory();
  std::vector<std::unique_ptr<engine::Engine>> engines;
  // In a thread that never ends, as all that touches Paddle; it is lent until
  // the process ends, so that no run is given it. The engine's own threads, of
  // which there are some if a run has more than one, would stay as it is.
  engine::Thread loader;
  Loaded loaded;
  if (!loader.Run([&] {
        if (options.threads == 1 && !options.awaited) YieldToServing();
        loaded = Load(options, &engines);
      })) {
    loaded.status = absl::ResourceExhaustedError(
        "the worker needs a thread, and the system gives none");
  }
  // Of what loading and trials have freed a model may ask for little.
  base::ReturnFreedMemory();
  if (!control.Send(Encode(loaded)).ok() || !loaded.status.ok()) return 1;

  std::vector<std::unique_ptr<Slot>> running;
  std::vector<std::unique_ptr<engine::Thread>> threads;
  for (size_t i = 0; i < slots.size() && i < engines.size(); ++i) {
    running.push_back(
        std::make_unique<Slot>(std::move(engines[i]), std::move(slots[i])));
    threads.push_back(std::make_unique<engine::Thread>());
    if (!threads.back()->Start(
            [slot = running.back().get()] { slot->Serve(); })) {
      _exit(1);  // the server says that the worker ended, and tries again
    }
  }
  // Nothing more is said here: this waits for the server to close it.
  while (control.Receive(/*wait=*/true).ok()) {
  }
  // Runs may still be under way, whose answers nobody takes.
  _exit(0);
}

}  // namespace worker
