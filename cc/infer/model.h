// One version of a model: requests that wait, and what runs them.
#ifndef CC_INFER_MODEL_H_
#define CC_INFER_MODEL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cc/base/loop.h"
#include "cc/infer/backoff.h"
#include "cc/infer/batcher.h"
#include "cc/infer/executor.h"
#include "cc/infer/servable.h"

namespace infer {

enum class Batching {
  kAuto,  // where answers are equal bits alone and in company
  kOn,
  kOff,
};

// "auto", "on", "off"
const char* NameOf(Batching batching);

struct ModelOptions {
  std::string name;
  std::string version;
  std::string directory;
  Compute compute;
  Batching batching = Batching::kAuto;
  // Rows of one request, where the model leaves the first dimension open.
  int64_t max_batch_size = 1024;
  // Of batches of several requests: `policy.max_rows`.
  BatchPolicy policy;
  // A slot that has run nothing for so long gives its memory back.
  std::chrono::milliseconds release_after{10'000};
  BackoffPolicy backoff;  // of an executor that ended
};

// What happens to a model, for metrics and the log.
class ModelObserver {
 public:
  virtual ~ModelObserver() = default;
  virtual void OnRun(int64_t rows, int64_t padded_rows, int64_t calls,
                     Clock::duration compute) = 0;
  virtual void OnQueued(Clock::duration waited) = 0;
  virtual void OnRejected() = 0;
  // It ended by itself and will be started again after `again`.
  virtual void OnEnded(const std::string& why, Clock::duration again) = 0;
  virtual void OnRestarted() = 0;
};

class Model : public Servable, public std::enable_shared_from_this<Model> {
 public:
  // `loop` and `backend` must outlive it. Its executor starts at once;
  // `loaded` is called once, later.
  static std::shared_ptr<Model> Start(
      base::Loop* loop, Backend* backend, const ModelOptions& options,
      std::unique_ptr<ModelObserver> observer,
      std::function<void(const absl::Status&)> loaded);
  ~Model() override;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelInfo& info() const override { return info_; }
  // UNAVAILABLE: its executor ended, and is not there again.
  absl::Status Ready() const override { return ready_; }
  void Start(std::shared_ptr<Call> call) override;

  const ModelOptions& options() const { return options_; }

  size_t queued() const { return batcher_ ? batcher_->size() : 0; }
  size_t running() const;
  size_t max_queue() const { return options_.policy.max_queue; }

 private:
  Model(base::Loop* loop, Backend* backend, const ModelOptions& options,
        std::unique_ptr<ModelObserver> observer,
        std::function<void(const absl::Status&)> loaded);

  struct Slot {
    int runs = 0;       // that are under way
    bool clean = true;  // holds nothing that could be given back
    Clock::time_point idle_since;
  };

  void StartExecutor();
  void OnLoaded(const absl::Status& status, LoadedModel loaded);
  void OnEnded(const std::string& why);
  void Describe(LoadedModel loaded);
  // Runs what can be run, and sees to the next time.
  void Flush();
  void FlushSoon();
  void FlushAfterNextRound();
  Slot* IdleSlot();
  // How many runs go to one slot together.
  size_t RunsTogether() const;
  void RunAll(Slot* slot, const std::vector<Batch>& batches);
  void SendAll(Slot* slot, const std::vector<Batch>& batches);
  void OnRan(size_t slot, const Batch& batch, BatchResult result);
  void PutBack(const Batch& batch, bool alone);
  void Finish(const Batch& batch, BatchResult result);
  void ReleaseLater();
  void ReleaseIdle();

  base::Loop* const loop_;
  Backend* const backend_;
  const ModelOptions options_;
  const std::unique_ptr<ModelObserver> observer_;
  std::function<void(const absl::Status&)> loaded_;  // empty: it was told
  ModelInfo info_;
  std::unique_ptr<Executor> executor_;
  std::vector<Slot> slots_;
  std::optional<Batcher> batcher_;
  Clock::duration run_time_{};  // of late; zero: not known
  absl::Status ready_ = absl::UnavailableError("the model is being loaded");
  bool flush_due_ = false;
  bool release_due_ = false;
  Backoff backoff_;
  base::Timer wake_;
  base::Timer restart_;
  base::Timer release_;
};

}  // namespace infer

#endif  // CC_INFER_MODEL_H_
