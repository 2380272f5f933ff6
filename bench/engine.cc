// The bare engine loop: what no server around it can beat. Each thread has a
// predictor of its own, fills the input and runs.
//
//   ./bazelw run //bench:engine -- --model=DIR [--rows=1,8,32] [--threads=2]
//
// Prints one line of JSON for each size of batch.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/model.h"

namespace {

using Clock = std::chrono::steady_clock;

// Microseconds of each run, of one thread.
std::vector<double> Measure(bench::Model* model, int rows, double seconds) {
  const std::string input(model->row_bytes() * static_cast<size_t>(rows), 0);
  std::vector<double> runs;
  const auto start = Clock::now();
  const auto warm = start + std::chrono::duration<double>(seconds / 4);
  const auto end = warm + std::chrono::duration<double>(seconds);
  for (auto before = start; before < end;) {
    std::memcpy(model->Input(rows), input.data(), input.size());
    model->Run();
    const auto after = Clock::now();
    if (before >= warm) {
      runs.push_back(
          std::chrono::duration<double, std::micro>(after - before).count());
    }
    before = after;
  }
  return runs;
}

void Report(const std::string& folder, int rows, int threads, double seconds) {
  std::vector<std::vector<double>> of(static_cast<size_t>(threads));
  std::vector<std::thread> running;
  running.reserve(of.size());
  // One after the other: Paddle 2.6.2 does not bear loads beside one another.
  std::vector<std::unique_ptr<bench::Model>> models;
  for (int i = 0; i < threads; ++i) {
    models.push_back(std::make_unique<bench::Model>(folder));
  }
  for (size_t i = 0; i < of.size(); ++i) {
    running.emplace_back(
        [&, i] { of[i] = Measure(models[i].get(), rows, seconds); });
  }
  for (std::thread& thread : running) thread.join();
  std::vector<double> all;
  double rate = 0;
  for (const std::vector<double>& runs : of) {
    double total = 0;
    for (double run : runs) total += run;
    if (total > 0) rate += static_cast<double>(runs.size()) * 1e6 / total;
    all.insert(all.end(), runs.begin(), runs.end());
  }
  if (all.empty()) {
    std::fprintf(stderr, "no run ended in time; give more --seconds\n");
    return;
  }
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all[static_cast<size_t>(share *
                                   static_cast<double>(all.size() - 1))];
  };
  std::printf(
      "{\"rows\": %d, \"threads\": %d, \"runs\": %zu, \"rate\": %.2f, "
      "\"best_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
      rows, threads, all.size(), rate, all.front(), at(0.5), at(0.99));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The bare engine loop, the limit of what a server can do.");
  std::string model;
  std::vector<int> rows = {1, 2, 4, 8, 16, 32};
  int threads = 1;
  double seconds = 3;
  app.add_option("--model", model, "Folder of model.pdmodel and .pdiparams.")
      ->required();
  app.add_option("--rows", rows, "Sizes of batches.")->delimiter(',');
  app.add_option("--threads", threads, "Predictors that run side by side.");
  app.add_option("--seconds", seconds, "Time measured for each size.");
  CLI11_PARSE(app, argc, argv);
  for (int size : rows) Report(model, size, threads, seconds);
  return 0;
}
