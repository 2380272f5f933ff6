// A backend whose models run when a test says so.
#ifndef CC_INFER_FAKE_BACKEND_H_
#define CC_INFER_FAKE_BACKEND_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "cc/base/loop.h"
#include "cc/infer/executor.h"
#include "cc/infer/model.h"

namespace infer {

// Models with an input x and an output y, [-1, 2] bytes, which give back what
// they get.
class FakeBackend : public Backend {
 public:
  struct Run {
    size_t slot;
    std::vector<BatchInput> inputs;
    std::string bytes;  // of the first input, padding included
    Executor::Done done;
  };

  std::unique_ptr<Executor> Start(const std::string& directory,
                                  const Compute& compute,
                                  const std::vector<int64_t>& buckets,
                                  bool awaited, Events events) override {
    ++starts;
    last_directory = directory;
    last_compute = compute;
    last_buckets = buckets;
    last_awaited = awaited;
    this->events[directory] = std::move(events);
    return std::make_unique<FakeExecutor>(this);
  }

  // Tells the model of a directory that it is loaded.
  void Load(const std::string& directory, absl::Status status = {}) {
    loaded.inputs = {{"x", base::DataType::kUint8, {rows, 2}, lod_level}};
    loaded.outputs = {{"y", base::DataType::kUint8, {rows, 2}, lod_level}};
    events.at(directory).on_loaded(std::move(status), loaded);
  }
  // Answers the run that began first.
  void Answer(absl::Status status = {}) {
    Run run = std::move(runs.front());
    runs.pop_front();
    BatchResult result;
    result.status = std::move(status);
    result.compute = compute;
    if (result.status.ok()) {
      result.outputs.push_back({"y", base::DataType::kUint8,
                                run.inputs[0].shape, absl::Cord(run.bytes),
                                run.inputs[0].lod});
    }
    run.done(std::move(result));
  }
  // Ends the executor of a directory.
  void End(const std::string& directory) {
    const Events ended = events.at(directory);
    ended.on_ended("was ended by signal 11 (Segmentation fault)");
    auto unanswered = std::exchange(runs, {});
    for (Run& run : unanswered) {
      run.done({absl::InternalError("the worker is gone"), {}, {}});
    }
  }

  size_t slots = 1;
  Clock::duration compute{};  // of the runs that are answered
  int64_t rows = -1;          // -1: open
  int lod_level = 0;
  LoadedModel loaded;
  std::map<std::string, Events> events;
  std::deque<Run> runs;
  int starts = 0;
  int released = 0;
  int alive = 0;  // executors
  std::string last_directory;
  Compute last_compute;
  std::vector<int64_t> last_buckets;
  bool last_awaited = false;

 private:
  class FakeExecutor : public Executor {
   public:
    explicit FakeExecutor(FakeBackend* backend) : backend_(backend) {
      ++backend_->alive;
    }
    ~FakeExecutor() override { --backend_->alive; }
    size_t slots() const override { return backend_->slots; }
    void RunAll(size_t slot, const std::vector<std::vector<BatchInput>>& runs,
                std::vector<Done> dones) override {
      for (size_t i = 0; i < runs.size(); ++i) {
        Run(slot, runs[i], std::move(dones[i]));
      }
    }
    void Run(size_t slot, const std::vector<BatchInput>& inputs, Done done) {
      FakeBackend::Run run{slot, inputs, "", std::move(done)};
      for (const absl::Cord* part : inputs[0].parts) {
        run.bytes += std::string(*part);
      }
      for (int64_t i = 0; i < inputs[0].padding_rows; ++i) {
        run.bytes += run.bytes.substr(run.bytes.size() - inputs[0].row_bytes);
      }
      backend_->runs.push_back(std::move(run));
    }
    void ReleaseMemory(size_t) override { ++backend_->released; }

   private:
    FakeBackend* const backend_;
  };
};

// Counts what it is told.
class FakeModelObserver : public ModelObserver {
 public:
  struct Seen {
    int64_t rows = 0, padded_rows = 0, calls = 0;
    int queued = 0, rejected = 0, ended = 0, restarted = 0;
  };
  explicit FakeModelObserver(Seen* seen) : seen_(seen) {}
  void OnRun(int64_t rows, int64_t padded_rows, int64_t calls,
             Clock::duration) override {
    seen_->rows += rows;
    seen_->padded_rows += padded_rows;
    seen_->calls += calls;
  }
  void OnQueued(Clock::duration) override { ++seen_->queued; }
  void OnRejected() override { ++seen_->rejected; }
  void OnEnded(const std::string&, Clock::duration) override { ++seen_->ended; }
  void OnRestarted() override { ++seen_->restarted; }

 private:
  Seen* const seen_;
};

// Serves until nothing is due at once.
inline void Settle(base::Loop* loop) {
  for (int i = 0; i < 3; ++i) {
    loop->Post([loop] { loop->Stop(); });
    loop->Run();
  }
}

}  // namespace infer

#endif  // CC_INFER_FAKE_BACKEND_H_
