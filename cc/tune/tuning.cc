#include "cc/tune/tuning.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cc/base/data_type.h"

namespace tune {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;

// Machines have slow phases: each setting is measured in every round, and what
// counts is the median.
constexpr int kRounds = 3;
// Different requests of a load.
constexpr int64_t kRequests = 8;
// The part of a round in which an instance meets its first shapes.
constexpr double kWarmUp = 0.2;

class Tuning {
 public:
  Tuning(worker::Spawner* spawner, const Options& options)
      : options_(options), bench_(spawner, options.directory) {}

  absl::StatusOr<std::vector<Result>> Run() {
    if (absl::Status status = Prepare(); !status.ok()) return status;
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < results_.size(); ++i) {
        Result& result = results_[i];
        if (!result.status.ok()) continue;
        options_.progress(absl::StrCat(
            "round ", round + 1, " of ", kRounds, ", setting ", i + 1, " of ",
            results_.size(), ": ", Words(result.setting)));
        result.status = MeasureOnce(round == 0, &result);
        if (result.status.ok()) continue;
        if (i == 0) return DoesNotRun(result.status);
        options_.progress(absl::StrCat("failed: ", result.status.message()));
      }
    }
    return std::move(results_);
  }

 private:
  absl::Status DoesNotRun(const absl::Status& status) const {
    return absl::Status(
        status.code(),
        absl::StrCat("the model in ", options_.directory,
                     " does not run as it is now: ", status.message()));
  }

  // Finds the settings, and what is answered now.
  absl::Status Prepare() {
    if (absl::Status status = bench_.Start(options_.present); !status.ok()) {
      return DoesNotRun(status);
    }
    const infer::ModelInfo info = bench_.info();
    auto requests = options_.requests(info);
    if (!requests.ok()) return requests.status();
    requests_ = *std::move(requests);
    if (!requests_->counts() && options_.rows != std::vector<int64_t>{1}) {
      return absl::InvalidArgumentError(
          "--rows has nothing to count: the model fixes its number of rows, or "
          "a request was given that holds sequences");
    }
    for (const int64_t rows : options_.rows) {
      Load load;
      load.rows = rows;
      load.concurrency = options_.concurrency;
      const duration<double> round(options_.seconds / kRounds);
      load.time = duration_cast<infer::Clock::duration>(round);
      load.warm_up = duration_cast<infer::Clock::duration>(round * kWarmUp);
      for (int64_t i = 0; i < kRequests; ++i) {
        load.requests.push_back(requests_->Of(i * rows, rows));
        auto answer = bench_.Ask(load.requests.back());
        if (!answer.ok()) return DoesNotRun(answer.status());
        load.answers.push_back(*std::move(answer));
      }
      loads_.push_back(std::move(load));
    }
    batchable_ = info.max_batch_size > 0;
    const bool reals = std::any_of(
        info.outputs.begin(), info.outputs.end(), [](const auto& output) {
          return output.dtype != base::DataType::kBool &&
                 !base::IsInteger(output.dtype);
        });
    const std::vector<Setting> settings =
        Candidates(options_.present, batchable_, info.batching, options_.cpus,
                   options_.choices);
    for (const Setting& setting : settings) {
      Result& result = results_.emplace_back();
      result.setting = setting;
      result.reals = reals;
      result.samples.resize(loads_.size());
      most_rows_ = std::max(most_rows_, setting.max_batch_rows);
    }
    const size_t parts = results_.size() * loads_.size();
    options_.progress(absl::StrFormat(
        "%d settings on %d CPUs: %.0f s, and %d loads of the model",
        results_.size(), options_.cpus,
        static_cast<double>(parts) * options_.seconds * (1 + kWarmUp),
        results_.size() * kRounds));
    return absl::OkStatus();
  }

  absl::Status MeasureOnce(bool first, Result* result) {
    const bool present = result == &results_.front();
    if (absl::Status status = bench_.Start(result->setting); !status.ok()) {
      return status;
    }
    // What the server would not compute together by itself is measured as what
    // it would be told to.
    if (first && !present && batchable_ && !bench_.info().batching &&
        result->setting.batching == infer::Batching::kAuto) {
      result->setting.batching = infer::Batching::kOn;
      if (absl::Status status = bench_.Start(result->setting); !status.ok()) {
        return status;
      }
    }
    if (first) {
      result->batches = bench_.info().batching;
      auto buckets = Buckets(result->setting.compute);
      if (!buckets.ok()) return buckets.status();
      result->buckets = *buckets;
    }
    for (size_t i = 0; i < loads_.size(); ++i) {
      auto sample = bench_.Measure(loads_[i]);
      if (!sample.ok()) return sample.status();
      result->samples[i].push_back(*sample);
    }
    return absl::OkStatus();
  }

  // Of the setting that is loaded; neither instances nor batching bear on it.
  absl::StatusOr<std::optional<Difference>> Buckets(
      const infer::Compute& compute) {
    if (!requests_->divides()) return std::optional<Difference>();
    const std::pair<base::CpuEngine, int> key = {compute.cpu_engine,
                                                 compute.threads};
    const auto known = buckets_.find(key);
    if (known != buckets_.end()) return known->second;
    auto buckets = CompareBuckets();
    if (buckets.ok()) buckets_[key] = *buckets;
    return buckets;
  }

  absl::StatusOr<std::optional<Difference>> CompareBuckets() {
    std::map<int64_t, Answer> alone;
    Difference difference;
    for (const int64_t rows : infer::Buckets(most_rows_)) {
      const auto batch = bench_.Ask(requests_->Of(0, rows));
      if (!batch.ok()) return batch.status();
      for (const int64_t row : {int64_t{0}, rows / 2, rows - 1}) {
        if (alone.count(row) == 0) {
          auto answer = bench_.Ask(requests_->Of(row, 1));
          if (!answer.ok()) return answer.status();
          alone[row] = *std::move(answer);
        }
        Answer part;
        if (!RowOf(*batch, rows, row, &part)) return std::nullopt;
        difference.Add(Compare(part, alone[row]));
      }
    }
    return difference;
  }

  const Options& options_;
  Bench bench_;
  std::optional<Requests> requests_;
  std::vector<Load> loads_;
  bool batchable_ = false;
  int64_t most_rows_ = 1;
  std::map<std::pair<base::CpuEngine, int>, std::optional<Difference>> buckets_;
  std::vector<Result> results_;
};

}  // namespace

absl::StatusOr<std::vector<Result>> Measure(worker::Spawner* spawner,
                                            const Options& options) {
  return Tuning(spawner, options).Run();
}

}  // namespace tune
