#include "cc/tune/bench.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/cord.h"

namespace tune {
namespace {

using infer::Clock;

// A run that takes longer is taken for one that hangs.
constexpr std::chrono::minutes kLongest{1};
// How long a worker may take to end.
constexpr std::chrono::seconds kEnd{10};
constexpr std::chrono::milliseconds kLook{2};

absl::Status Lost() {
  return absl::InternalError(
      "the process that starts workers has ended: it was killed, by hand or "
      "for want of memory");
}

class NoObserver : public infer::ModelObserver {
 public:
  void OnRun(int64_t, int64_t, int64_t, Clock::duration) override {}
  void OnQueued(Clock::duration) override {}
  void OnRejected() override {}
  void OnEnded(const std::string&, Clock::duration) override {}
  void OnRestarted() override {}
};

worker::ProcessOptions ProcessOptions() {
  worker::ProcessOptions options;
  options.run_timeout = kLongest;
  return options;
}

// What lies in a worker's memory is wanted there again.
Answer Copy(const Answer& answer) {
  Answer copy = answer;
  for (infer::Tensor& output : copy) {
    output.data = absl::Cord(std::string(output.data));
  }
  return copy;
}

// The value that a share of the others is not above.
double Quantile(std::vector<double>* sorted, double share) {
  if (sorted->empty()) return 0;
  const auto at =
      static_cast<size_t>(share * static_cast<double>(sorted->size()));
  return (*sorted)[std::min(at, sorted->size() - 1)];
}

}  // namespace

// One load, from its first request to its last answer.
class Bench::Run {
 public:
  Run(base::Loop* loop, infer::Model* model, const Load& load)
      : loop_(loop),
        model_(model),
        load_(load),
        others_(load.requests.size()),
        phase_(loop, [this] { NextPhase(); }) {}

  absl::StatusOr<Sample> Finish() {
    phase_.Start(load_.warm_up);
    for (int i = 0; i < load_.concurrency; ++i) AskNext();
    loop_->Run();
    if (under_way_ > 0) return Lost();
    if (!status_.ok()) return status_;
    std::sort(times_.begin(), times_.end());
    const double rows =
        static_cast<double>(times_.size()) * static_cast<double>(load_.rows);
    Sample sample;
    sample.rows_per_second =
        rows / std::chrono::duration<double>(end_ - begin_).count();
    sample.p50_ms = Quantile(&times_, 0.5);
    sample.p99_ms = Quantile(&times_, 0.99);
    sample.cpu_us =
        std::chrono::duration<double, std::micro>(cpu_end_ - cpu_begin_)
            .count() /
        rows;
    sample.memory_mb = PeakMemory(processes_);
    sample.difference = difference_;
    return sample;
  }

 private:
  enum class Phase { kWarmUp, kMeasure, kEnd };

  void NextPhase() {
    if (phase_now_ == Phase::kEnd) return;
    // On a busy machine, or of a slow model, there may be hardly any yet.
    if (answered_ < static_cast<size_t>(load_.concurrency)) {
      return phase_.Start(
          std::max<Clock::duration>(load_.time, std::chrono::milliseconds(1)));
    }
    answered_ = 0;
    if (phase_now_ == Phase::kWarmUp) {
      phase_now_ = Phase::kMeasure;
      processes_ = Descendants();
      cpu_begin_ = CpuTime(processes_);
      begin_ = Clock::now();
      phase_.Start(load_.time);
      return;
    }
    phase_now_ = Phase::kEnd;
    end_ = Clock::now();
    cpu_end_ = CpuTime(processes_);
    // Those under way are heard: the next load shall have the model alone.
  }

  void AskNext() {
    ++under_way_;
    const size_t number = next_++ % load_.requests.size();
    const Clock::time_point asked = Clock::now();
    model_->Start(std::make_shared<infer::Call>(
        load_.requests[number],
        [this, number, asked,
         alive = std::weak_ptr(alive_)](infer::Call* call) {
          if (alive.lock()) OnAnswer(number, asked, call);
        }));
  }

  void OnAnswer(size_t number, Clock::time_point asked, infer::Call* call) {
    --under_way_;
    if (!call->status.ok()) {
      status_.Update(call->status);
      phase_now_ = Phase::kEnd;
    } else {
      ++answered_;
      if (phase_now_ == Phase::kMeasure) {
        times_.push_back(
            std::chrono::duration<double, std::milli>(Clock::now() - asked)
                .count());
      }
      Look(number, call->outputs);
    }
    if (phase_now_ != Phase::kEnd) return AskNext();
    if (under_way_ == 0) loop_->Stop();
  }

  // Most answers are one that was seen before.
  void Look(size_t number, const Answer& answer) {
    constexpr size_t kKept = 16;
    if (Same(answer, load_.answers[number])) return;
    std::vector<Answer>& others = others_[number];
    for (const Answer& other : others) {
      if (Same(answer, other)) return;
    }
    difference_.Add(Compare(answer, load_.answers[number]));
    if (others.size() < kKept) others.push_back(Copy(answer));
  }

  static bool Same(const Answer& a, const Answer& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const infer::Tensor& x, const infer::Tensor& y) {
                        return x.shape == y.shape && x.lod == y.lod &&
                               x.data == y.data;
                      });
  }

  base::Loop* const loop_;
  infer::Model* const model_;
  const Load& load_;
  std::vector<std::vector<Answer>> others_;
  base::Timer phase_;
  Phase phase_now_ = Phase::kWarmUp;
  size_t next_ = 0;
  size_t answered_ = 0;  // in this phase
  int under_way_ = 0;
  Clock::time_point begin_, end_;
  std::chrono::nanoseconds cpu_begin_{}, cpu_end_{};
  std::vector<pid_t> processes_;
  std::vector<double> times_;  // ms
  Difference difference_;
  absl::Status status_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Bench::Bench(worker::Spawner* spawner, std::string directory)
    : spawner_(spawner),
      directory_(std::move(directory)),
      backend_(&loop_, spawner, ProcessOptions()) {
  spawner_->Attach(&loop_, [this] { loop_.Stop(); });
}

Bench::~Bench() {
  Stop();
  spawner_->Detach();
}

absl::Status Bench::Start(const Setting& setting) {
  if (!loop_.status().ok()) return loop_.status();
  Stop();
  infer::ModelOptions options;
  options.name = "model";
  options.version = "1";
  options.directory = directory_;
  options.compute = setting.compute;
  options.batching = setting.batching;
  // Of one's own machine one may ask what one wants.
  options.max_batch_size = std::numeric_limits<int32_t>::max();
  options.release_after = kLongest;
  options.policy.max_rows = setting.max_batch_rows;
  options.policy.buckets = infer::Buckets(setting.max_batch_rows);
  options.policy.max_queue = std::numeric_limits<int32_t>::max();
  options.policy.max_queue_bytes = std::numeric_limits<size_t>::max();
  absl::Status loaded = Lost();
  model_ = infer::Model::Start(&loop_, &backend_, options,
                               std::make_unique<NoObserver>(),
                               [&](const absl::Status& status) {
                                 loaded = status;
                                 loop_.Stop();
                               });
  loop_.Run();
  return loaded;
}

absl::StatusOr<Answer> Bench::Ask(const infer::Request& request) {
  absl::StatusOr<Answer> answer = Lost();
  const auto call =
      std::make_shared<infer::Call>(request, [&](infer::Call* asked) {
        if (asked->status.ok()) {
          answer = Copy(asked->outputs);
        } else {
          answer = asked->status;
        }
        loop_.Stop();
      });
  model_->Start(call);
  loop_.Run();
  call->Cancel();
  return answer;
}

absl::StatusOr<Sample> Bench::Measure(const Load& load) {
  return Run(&loop_, model_.get(), load).Finish();
}

void Bench::Stop() {
  if (model_ == nullptr) return;
  model_.reset();
  // What is deferred holds it too.
  loop_.Post([this] { loop_.Stop(); });
  loop_.Run();
  const Clock::time_point end = Clock::now() + kEnd;
  // One is left, which starts the others.
  while (Descendants().size() > 1 && Clock::now() < end) {
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace tune
