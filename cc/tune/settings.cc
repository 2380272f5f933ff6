#include "cc/tune/settings.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tune {
namespace {

// What is no more than this faster may be so by chance.
constexpr double kFaster = 1.05;

// 1, 2, 4, ... and the largest.
std::vector<int> PowersOfTwo(int most) {
  std::vector<int> numbers;
  for (int number = 1; number < most; number *= 2) numbers.push_back(number);
  numbers.push_back(most);
  return numbers;
}

bool Same(const Setting& a, bool a_batches, const Setting& b, bool b_batches) {
  return a.compute.cpu_engine == b.compute.cpu_engine &&
         a.compute.threads == b.compute.threads &&
         a.compute.instances == b.compute.instances && a_batches == b_batches &&
         (!a_batches || a.max_batch_rows == b.max_batch_rows);
}

double Median(std::vector<double> numbers) {
  const size_t middle = numbers.size() / 2;
  std::sort(numbers.begin(), numbers.end());
  return numbers.size() % 2 == 1 ? numbers[middle]
                                 : (numbers[middle - 1] + numbers[middle]) / 2;
}

std::string Batching(const Setting& setting) {
  if (setting.batching == infer::Batching::kOff) return "off";
  return absl::StrCat(infer::NameOf(setting.batching), ":",
                      setting.max_batch_rows);
}

// Columns two spaces apart; numbers to the right.
std::string Aligned(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths(lines[0].size());
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], line[i].size());
    }
  }
  std::string text;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string space(widths[i] - line[i].size(), ' ');
      if (i + 1 == line.size()) {
        absl::StrAppend(&text, line[i], "\n");
      } else {
        absl::StrAppend(&text, space, line[i], "  ");
      }
    }
  }
  return text;
}

}  // namespace

std::vector<Setting> Candidates(const Setting& present, bool counts,
                                bool batches, int cpus,
                                const Choices& choices) {
  std::vector<Setting> candidates = {present};
  const auto or_else = [](const auto& chosen, auto otherwise) {
    return chosen.empty() ? otherwise : chosen;
  };
  std::vector<int64_t> sizes = {1};  // of batches; 1: each request by itself
  if (counts) {
    sizes = or_else(choices.max_batch_rows,
                    std::vector<int64_t>{1, present.max_batch_rows > 1
                                                ? present.max_batch_rows
                                                : Setting().max_batch_rows});
  }
  using base::CpuEngine;
  for (const CpuEngine cpu_engine :
       or_else(choices.cpu_engine, std::vector<CpuEngine>{
                                       CpuEngine::kOneDnn,
                                       CpuEngine::kPlain,
                                   })) {
    for (const int threads : or_else(choices.threads, PowersOfTwo(cpus))) {
      for (const int instances : or_else(
               choices.instances, PowersOfTwo(std::max(1, cpus / threads)))) {
        if (threads * instances > cpus) continue;
        for (const int64_t size : sizes) {
          Setting setting;
          setting.compute = {instances, threads, cpu_engine};
          // Where it was switched on, that is how it is compared.
          setting.batching = size == 1 ? infer::Batching::kOff
                             : present.batching == infer::Batching::kOn
                                 ? infer::Batching::kOn
                                 : infer::Batching::kAuto;
          setting.max_batch_rows = size;
          if (!Same(setting, size > 1, present, batches)) {
            candidates.push_back(setting);
          }
        }
      }
    }
  }
  return candidates;
}

std::string Words(const Setting& setting) {
  return absl::StrCat(
      "cpu_engine ", base::NameOf(setting.compute.cpu_engine), ", threads ",
      setting.compute.threads, ", instances ", setting.compute.instances,
      ", batching ", infer::NameOf(setting.batching),
      setting.batching == infer::Batching::kOff
          ? ""
          : absl::StrCat(" up to ", setting.max_batch_rows, " rows"));
}

Sample Result::Of(size_t load) const {
  Sample sample;
  const auto median = [&](double Sample::* number) {
    std::vector<double> numbers;
    for (const Sample& one : samples[load]) numbers.push_back(one.*number);
    sample.*number = Median(std::move(numbers));
  };
  median(&Sample::rows_per_second);
  median(&Sample::p50_ms);
  median(&Sample::p99_ms);
  median(&Sample::cpu_us);
  for (const Sample& one : samples[load]) {
    sample.memory_mb = std::max(sample.memory_mb, one.memory_mb);
    sample.difference.Add(one.difference);
  }
  return sample;
}

Difference Result::difference() const {
  Difference difference;
  for (size_t load = 0; load < samples.size(); ++load) {
    difference.Add(Of(load).difference);
  }
  return difference;
}

double Result::Gain(const Result& other) const {
  double logarithms = 0;
  for (size_t load = 0; load < samples.size(); ++load) {
    logarithms +=
        std::log(Of(load).rows_per_second / other.Of(load).rows_per_second);
  }
  return std::exp(logarithms / static_cast<double>(samples.size()));
}

bool Result::Keeps(const Result& present) const {
  if (!status.ok() || difference().bits) return false;
  if (!reals &&
      (setting.compute.cpu_engine != present.setting.compute.cpu_engine ||
       setting.compute.threads != present.setting.compute.threads)) {
    return false;
  }
  // What was computed together in a measurement is not all that can be.
  const bool proved = buckets && !buckets->bits;
  return !batches || proved || present.batches;
}

Verdict Judge(const std::vector<Result>& results) {
  const Result& present = results.front();
  std::vector<double> gains;
  for (const Result& result : results) {
    gains.push_back(result.status.ok() ? result.Gain(present) : 0);
  }
  Verdict verdict{&present, nullptr, std::vector<size_t>(results.size())};
  std::iota(verdict.ordered.begin(), verdict.ordered.end(), size_t{0});
  std::stable_sort(verdict.ordered.begin(), verdict.ordered.end(),
                   [&](size_t a, size_t b) { return gains[a] > gains[b]; });
  double kept = 1;
  for (const size_t i : verdict.ordered) {
    if (gains[i] < kFaster) break;
    if (results[i].Keeps(present)) {
      verdict.kept = &results[i];
      kept = gains[i];
      break;
    }
  }
  const size_t first = verdict.ordered.front();
  if (gains[first] > kept * kFaster && !results[first].Keeps(present)) {
    verdict.other = &results[first];
  }
  return verdict;
}

std::string Table(const std::vector<Result>& results, const Verdict& verdict,
                  const std::vector<int64_t>& rows) {
  std::vector<std::vector<std::string>> lines = {
      {"setting", "cpu_engine", "threads", "instances", "batching", "rows",
       "inferences/s", "p50 ms", "p99 ms", "CPU us", "memory MB", "bits",
       "buckets"}};
  int number = 0;
  for (const size_t i : verdict.ordered) {
    const Result& result = results[i];
    const infer::Compute& compute = result.setting.compute;
    const std::string name = i == 0 ? "now" : absl::StrCat(++number);
    for (size_t load = 0; load < rows.size(); ++load) {
      std::vector<std::string>& line =
          lines.emplace_back(std::vector<std::string>{
              name, base::NameOf(compute.cpu_engine),
              absl::StrCat(compute.threads), absl::StrCat(compute.instances),
              Batching(result.setting), absl::StrCat(rows[load])});
      if (!result.status.ok()) {
        line.insert(line.end(), {"-", "-", "-", "-", "-", "-"});
        line.push_back(absl::StrCat("failed: ", result.status.message()));
        continue;
      }
      const Sample sample = result.Of(load);
      line.insert(line.end(), {absl::StrFormat("%.1f", sample.rows_per_second),
                               absl::StrFormat("%.2f", sample.p50_ms),
                               absl::StrFormat("%.2f", sample.p99_ms),
                               absl::StrFormat("%.0f", sample.cpu_us),
                               absl::StrFormat("%.0f", sample.memory_mb),
                               sample.difference.Words(),
                               result.buckets ? result.buckets->Words() : "-"});
    }
  }
  return Aligned(lines);
}

}  // namespace tune
