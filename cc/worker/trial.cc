#include "cc/worker/trial.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/base/made_up.h"

namespace worker {
namespace {

using engine::Tensor;
using Clock = std::chrono::steady_clock;

// A row that takes longer gains little by company: the time is arithmetic, not
// the executor's work for each operator. Trying it would take seconds.
constexpr std::chrono::milliseconds kLongRow{5};
// The fastest of so many counts: a busy machine is slow now and then.
constexpr int kTimed = 5;

// Whether made-up inputs can be made: nothing but the number of rows is open.
std::optional<std::string> Obstacle(
    const std::vector<engine::TensorSpec>& specs) {
  for (const engine::TensorSpec& spec : specs) {
    if (spec.lod_level > 0) {
      return absl::StrCat("input ", spec.name, " holds sequences (LoD)");
    }
    if (spec.shape.empty() || spec.shape[0] >= 0) {
      return absl::StrCat("input ", spec.name, " has a fixed number of rows");
    }
    for (size_t i = 1; i < spec.shape.size(); ++i) {
      if (spec.shape[i] < 0) {
        return absl::StrCat("dimension ", i, " of input ", spec.name,
                            " is open");
      }
    }
  }
  return std::nullopt;
}

// Row `row` of an input, always the same.
std::string Row(const engine::TensorSpec& spec, int64_t row) {
  size_t elements = 1;
  for (size_t i = 1; i < spec.shape.size(); ++i) {
    elements *= static_cast<size_t>(spec.shape[i]);
  }
  return base::MadeUpValues(spec, elements, static_cast<unsigned>(row));
}

// The outputs for rows [first, first + count).
absl::StatusOr<std::vector<Tensor>> RunRows(int64_t first, int64_t count,
                                            engine::Engine* engine) {
  std::vector<Tensor> inputs;
  for (const engine::TensorSpec& spec : engine->inputs()) {
    Tensor input{spec.name, spec.dtype, spec.shape, ""};
    input.shape[0] = count;
    for (int64_t i = 0; i < count; ++i) input.data += Row(spec, first + i);
    inputs.push_back(std::move(input));
  }
  return engine->Run(inputs);
}

bool SameRow(const Tensor& batch, int64_t rows, int64_t row,
             const Tensor& alone) {
  if (batch.shape.empty() || batch.shape[0] != rows || !batch.lod.empty() ||
      alone.shape.empty() || alone.shape[0] != 1 ||
      batch.data.size() != alone.data.size() * static_cast<size_t>(rows)) {
    return false;
  }
  return std::memcmp(
             batch.data.data() + static_cast<size_t>(row) * alone.data.size(),
             alone.data.data(), alone.data.size()) == 0;
}

}  // namespace

absl::Status WarmUp(engine::Engine* engine) {
  if (Obstacle(engine->inputs())) return absl::OkStatus();
  return RunRows(0, 1, engine).status();
}

TrialResult TryBatches(const std::vector<int64_t>& buckets,
                       engine::Engine* engine) {
  if (buckets.empty()) return {false, "batching was not asked for"};
  if (const auto obstacle = Obstacle(engine->inputs())) {
    return {false, absl::StrCat("not tried: ", *obstacle)};
  }
  const auto failed = [](const absl::Status& status) {
    return TrialResult{false,
                       absl::StrCat("not tried: made-up inputs do not run: ",
                                    status.message())};
  };
  // The first run prepares what the second does without.
  if (auto first = RunRows(0, 1, engine); !first.ok()) {
    return failed(first.status());
  }
  Clock::duration took = Clock::duration::max();
  for (int i = 0; i < kTimed && took > kLongRow; ++i) {
    const auto start = Clock::now();
    if (auto next = RunRows(0, 1, engine); !next.ok()) {
      return failed(next.status());
    }
    took = std::min(took, Clock::now() - start);
  }
  if (took > kLongRow) {
    return {
        false,
        absl::StrCat(
            "not tried: one row takes ",
            std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
            " ms, so that computing rows together gains little")};
  }
  for (const int64_t rows : buckets) {
    if (rows == 1) continue;
    auto batch = RunRows(0, rows, engine);
    if (!batch.ok()) return failed(batch.status());
    for (const int64_t row : {int64_t{0}, rows / 2, rows - 1}) {
      auto alone = RunRows(row, 1, engine);
      if (!alone.ok()) return failed(alone.status());
      for (size_t i = 0; i < batch->size(); ++i) {
        if (SameRow((*batch)[i], rows, row, (*alone)[i])) continue;
        return {false, absl::StrCat("output ", (*batch)[i].name, " of ", rows,
                                    " rows has other bits than that of one")};
      }
    }
  }
  return {true, "answers were the same bits alone and in company"};
}

}  // namespace worker
