#include "cc/worker/process.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/worker/channel.h"
#include "cc/worker/slot.h"

namespace worker {
namespace {

using infer::BatchInput;

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
      over_ = true;
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
          loop_, std::move(slot->first), options_.run_timeout, options_.budget,
          Slot::Events{[this, i] { OnMessage(static_cast<size_t>(i)); },
                       [this] { OnTimeout(); }}));
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
    if (!Decode((*message)->bytes, &loaded) ||
        !std::all_of(loaded.checks.begin(), loaded.checks.end(),
                     [&](const base::ValueCheck& check) {
                       return base::IsMeaningful(check, loaded.inputs);
                     })) {
      return End("sent what is no answer");
    }
    specs_ = loaded.outputs;
    watch_->Want(/*read=*/false, /*write=*/false);
    loaded_ = true;
    over_ = !loaded.status.ok();
    events_.on_loaded(loaded.status,
                      {"paddle_inference", std::move(loaded.inputs),
                       std::move(loaded.outputs), std::move(loaded.checks),
                       loaded.equal_bits, std::move(loaded.trial)});
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
    slots_[slot]->Distrust();
    End(std::string(received.status().message()));
  }

  void OnTimeout() {
    timed_out_ = true;
    End(absl::StrCat("was ended: a run took longer than --run_timeout_ms=",
                     options_.run_timeout.count()));
  }

  // Ends it, for a reason that is ours to tell.
  void End(const std::string& why) {
    if (worker_ == 0) return;
    reason_ = why;
    spawner_->Kill(worker_);
  }

  void OnExit(const std::string& why) {
    worker_ = 0;
    if (over_) return;
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
      if (spawner_->lost()) slot->Distrust();  // there will be no other worker
      slot->FailWaiting(status);
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
  bool over_ = false;  // it could not load, which was told; its end is no news
  bool timed_out_ = false;
  std::string reason_;
};

}  // namespace

std::unique_ptr<infer::Executor> ProcessBackend::Start(
    const std::string& directory, const infer::Compute& compute,
    const std::vector<int64_t>& buckets, bool awaited, Events events) {
  ProcessOptions options = options_;
  options.load.directory = directory;
  options.load.slots =
      std::max(compute.instances, static_cast<int>(options.load.gpus.size()));
  options.load.threads = compute.threads;
  options.load.cpu_engine = compute.cpu_engine;
  options.load.buckets = buckets;
  options.load.awaited = awaited;
  auto process =
      std::make_unique<Process>(loop_, spawner_, options, std::move(events));
  process->Start();
  return process;
}

}  // namespace worker
