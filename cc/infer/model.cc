#include "cc/infer/model.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/infer/batch_tensors.h"

namespace infer {
namespace {

// Short runs that wait go to a slot together, up to so much time and so many:
// each message costs two changes of process, some 20 us, and an answer waits
// for those that went with it.
constexpr std::chrono::milliseconds kTogether{1};
constexpr size_t kMaxTogether = 16;

bool IsBatchable(const std::vector<base::TensorSpec>& specs) {
  return std::all_of(specs.begin(), specs.end(), [](const auto& spec) {
    return !spec.shape.empty() && spec.shape[0] < 0;
  });
}

bool HasLod(const std::vector<base::TensorSpec>& specs) {
  return std::any_of(specs.begin(), specs.end(),
                     [](const auto& spec) { return spec.lod_level > 0; });
}

}  // namespace

const char* NameOf(Batching batching) {
  switch (batching) {
    case Batching::kOn:
      return "on";
    case Batching::kOff:
      return "off";
    case Batching::kAuto:
      break;
  }
  return "auto";
}

std::shared_ptr<Model> Model::Start(
    base::Loop* loop, Backend* backend, const ModelOptions& options,
    std::unique_ptr<ModelObserver> observer,
    std::function<void(const absl::Status&)> loaded) {
  std::shared_ptr<Model> model(new Model(
      loop, backend, options, std::move(observer), std::move(loaded)));
  model->StartExecutor();
  return model;
}

Model::Model(base::Loop* loop, Backend* backend, const ModelOptions& options,
             std::unique_ptr<ModelObserver> observer,
             std::function<void(const absl::Status&)> loaded)
    : loop_(loop),
      backend_(backend),
      options_(options),
      observer_(std::move(observer)),
      loaded_(std::move(loaded)),
      backoff_(options.backoff),
      wake_(loop, [this] { Flush(); }),
      restart_(loop, [this] { StartExecutor(); }),
      release_(loop, [this] { ReleaseIdle(); }) {
  info_.name = options.name;
  info_.version = options.version;
  info_.directory = options.directory;
}

Model::~Model() {
  if (batcher_) batcher_->Fail(absl::UnavailableError("the model is unloaded"));
}

void Model::StartExecutor() {
  std::vector<int64_t> buckets;
  if (options_.batching != Batching::kOff) buckets = options_.policy.buckets;
  executor_ =
      backend_->Start(options_.directory, options_.compute, buckets,
                      /*awaited=*/batcher_.has_value(),
                      {[this](absl::Status status, LoadedModel loaded) {
                         OnLoaded(status, std::move(loaded));
                       },
                       [this](const std::string& why) { OnEnded(why); }});
}

void Model::OnLoaded(const absl::Status& status, LoadedModel loaded) {
  if (!status.ok()) {
    if (loaded_) return std::exchange(loaded_, nullptr)(status);
    const auto self = weak_from_this().lock();
    OnEnded(absl::StrCat("could not load the model: ", status.message()));
    // Its files are gone, as those of a version whose successor is served: what
    // waits would wait in vain, and finds that one when it comes again.
    if (absl::IsNotFound(status)) {
      batcher_->Fail(absl::UnavailableError(absl::StrCat(
          "model ", base::Quote(info_.name), " version ", info_.version,
          " has ended, and cannot be loaded again: ", status.message())));
    }
    return;
  }
  slots_.assign(executor_->slots(), Slot());
  ready_ = absl::OkStatus();
  if (!batcher_) {
    Describe(std::move(loaded));
  } else {
    observer_->OnRestarted();
  }
  if (loaded_) std::exchange(loaded_, nullptr)(absl::OkStatus());
  FlushSoon();
}

void Model::Describe(LoadedModel loaded) {
  info_.platform = std::move(loaded.platform);
  info_.inputs = std::move(loaded.inputs);
  info_.outputs = std::move(loaded.outputs);
  info_.checks = std::move(loaded.checks);
  const bool rows = IsBatchable(info_.inputs);
  const bool lod = HasLod(info_.inputs);
  info_.max_batch_size = rows ? options_.max_batch_size : 0;
  BatchPolicy policy = options_.policy;
  if (options_.batching == Batching::kOff) {
    info_.batching_reason = "off by --batching=off";
  } else if (!rows || policy.max_rows <= 1) {
    info_.batching_reason =
        rows ? "off by --max_batch_rows=1"
             : "off: the model has inputs with a fixed number of rows";
  } else if (options_.batching == Batching::kOn) {
    info_.batching = true;
    info_.batching_reason = absl::StrCat("on by --batching=on; ", loaded.trial);
  } else {
    info_.batching = loaded.equal_bits;
    info_.batching_reason = std::move(loaded.trial);
  }
  if (!info_.batching) policy.max_rows = 1;
  // Sequences cannot be padded: a made-up one would be computed with them.
  if (!info_.batching || lod) policy.buckets.clear();
  batcher_.emplace(policy);
}

void Model::OnEnded(const std::string& why) {
  const auto self = weak_from_this().lock();
  // The executor is amid this call.
  loop_->Defer([gone = std::shared_ptr<Executor>(std::move(executor_))] {});
  if (loaded_) {
    return std::exchange(loaded_, nullptr)(
        absl::InternalError(absl::StrCat("the worker process ", why)));
  }
  slots_.clear();
  ready_ = absl::UnavailableError(
      absl::StrCat("model ", base::Quote(info_.name), " version ",
                   info_.version, " starts again: its worker process ", why));
  const Clock::duration again = backoff_.Next(Clock::now());
  observer_->OnEnded(why, again);
  restart_.Start(again);
}

void Model::Start(std::shared_ptr<Call> call) {
  absl::Status status = batcher_->Add(call, Clock::now());
  if (!status.ok()) {
    observer_->OnRejected();
    // Not before this returns.
    loop_->Defer([call = std::move(call), status = std::move(status)] {
      call->Finish(status);
    });
    return;
  }
  FlushSoon();
}

void Model::FlushSoon() {
  if (std::exchange(flush_due_, true)) return;
  loop_->Defer([self = shared_from_this()] {
    self->flush_due_ = false;
    self->Flush();
  });
}

void Model::FlushAfterNextRound() {
  flush_due_ = true;
  loop_->DeferToNext([self = shared_from_this()] {
    self->flush_due_ = false;
    self->Flush();
  });
}

size_t Model::running() const {
  return static_cast<size_t>(
      std::count_if(slots_.begin(), slots_.end(),
                    [](const Slot& slot) { return slot.runs > 0; }));
}

Model::Slot* Model::IdleSlot() {
  for (Slot& slot : slots_) {
    if (slot.runs == 0) return &slot;
  }
  return nullptr;
}

void Model::Flush() {
  const auto self = shared_from_this();
  const Clock::time_point now = Clock::now();
  Slot* idle = IdleSlot();
  if (idle == nullptr) batcher_->Expire(now);  // else Next does
  while (idle != nullptr) {
    std::vector<Batch> batches;
    for (size_t runs = RunsTogether(); runs > 0; --runs) {
      std::optional<Batch> batch = batcher_->Next(now);
      if (!batch) break;
      batches.push_back(*std::move(batch));
    }
    if (batches.empty()) break;
    RunAll(idle, batches);
    idle = IdleSlot();
  }
  if (const auto wake = batcher_->Wake(idle != nullptr)) {
    // libevent counts in milliseconds, and an early call would find nothing.
    wake_.Start(std::max<Clock::duration>(*wake - now, {}) +
                std::chrono::milliseconds(1));
  } else {
    wake_.Stop();
  }
}

size_t Model::RunsTogether() const {
  const size_t idle = slots_.size() - running();
  if (run_time_ <= Clock::duration::zero() || HasLod(info_.inputs)) return 1;
  const size_t short_ones = static_cast<size_t>(kTogether / run_time_);
  const size_t share =
      (batcher_->size() + idle - 1) / std::max<size_t>(1, idle);
  return std::clamp<size_t>(std::min(short_ones, share), 1, kMaxTogether);
}

void Model::RunAll(Slot* slot, const std::vector<Batch>& batches) {
  try {
    SendAll(slot, batches);
  } catch (const std::bad_alloc&) {
    for (const Batch& batch : batches) {
      for (const auto& call : batch.calls) {
        call->Finish(absl::UnavailableError(
            "the server has no memory to compute this just now"));
      }
    }
  }
}

void Model::SendAll(Slot* slot, const std::vector<Batch>& batches) {
  const Clock::time_point now = Clock::now();
  const size_t number = static_cast<size_t>(slot - slots_.data());
  std::vector<std::vector<BatchInput>> runs;
  std::vector<Executor::Done> dones;
  for (const Batch& batch : batches) {
    for (const auto& call : batch.calls) {
      call->timing.queue = now - call->timing.arrival;
      call->timing.batch_rows = batch.rows;
      call->timing.batch_calls = static_cast<int64_t>(batch.calls.size());
      observer_->OnQueued(call->timing.queue);
    }
    runs.push_back(Gather(info_.inputs, batch));
    dones.push_back(
        [self = shared_from_this(), number, batch](BatchResult result) {
          self->OnRan(number, batch, std::move(result));
        });
  }
  slot->clean = false;
  executor_->RunAll(number, runs, std::move(dones));
  slot->runs = static_cast<int>(batches.size());
}

void Model::OnRan(size_t slot, const Batch& batch, BatchResult result) {
  if (!result.begun) {
    PutBack(batch, /*alone=*/false);
    return FlushSoon();
  }
  if (slot < slots_.size()) {
    --slots_[slot].runs;
    slots_[slot].idle_since = Clock::now();
  }
  if (result.status.ok()) {
    CountRun(batch.rows, result.compute);
    observer_->OnRun(batch.rows, batch.padded_rows,
                     static_cast<int64_t>(batch.calls.size()), result.compute);
    run_time_ = run_time_ == Clock::duration::zero()
                    ? result.compute
                    : (run_time_ * 7 + result.compute) / 8;
  } else {
    result.status = absl::Status(
        result.status.code(),
        absl::StrCat("model ", base::Quote(info_.name), " version ",
                     info_.version, ": ", result.status.message()));
  }
  // Whose values the model does not bear is not known: each is tried by itself.
  if (absl::IsInvalidArgument(result.status) && batch.calls.size() > 1) {
    PutBack(batch, /*alone=*/true);
    Flush();
    return ReleaseLater();
  }
  // Between short runs answers are written first: their readers come again at
  // once, and the next batch is twice as large. A long run begins before.
  const bool idle = slot < slots_.size() && slots_[slot].runs == 0;
  const bool brief = run_time_ < kTogether;
  if (idle && !brief) Flush();
  Finish(batch, std::move(result));
  if (idle && brief) FlushAfterNextRound();
  ReleaseLater();
}

// To be computed again: alone, or as before by the successor of an executor
// that was gone before it began. In that case the slot stays busy, as it takes
// no more.
void Model::PutBack(const Batch& batch, bool alone) {
  for (auto call = batch.calls.rbegin(); call != batch.calls.rend(); ++call) {
    if ((*call)->cancelled()) continue;
    (*call)->timing.ForgetRun();
    // Its time in the queue counts from its arrival, so that this has an end.
    batcher_->PutBack(*call, alone, (*call)->timing.arrival);
  }
}

void Model::Finish(const Batch& batch, BatchResult result) {
  for (const auto& call : batch.calls) call->timing.compute = result.compute;
  if (!result.status.ok()) {
    for (const auto& call : batch.calls) call->Finish(result.status);
    return;
  }
  auto parts = Divide(batch, std::move(result.outputs));
  for (size_t i = 0; i < batch.calls.size(); ++i) {
    if (parts[i].ok()) {
      batch.calls[i]->Finish(absl::OkStatus(), *std::move(parts[i]));
    } else {
      batch.calls[i]->Finish(parts[i].status());
    }
  }
}

void Model::ReleaseLater() {
  if (std::exchange(release_due_, true)) return;
  release_.Start(options_.release_after);
}

void Model::ReleaseIdle() {
  release_due_ = false;
  const Clock::time_point now = Clock::now();
  bool again = false;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.clean) continue;
    if (slot.runs > 0 || now - slot.idle_since < options_.release_after) {
      again = true;
      continue;
    }
    slot.clean = true;
    executor_->ReleaseMemory(i);
  }
  if (again) ReleaseLater();
}

}  // namespace infer
