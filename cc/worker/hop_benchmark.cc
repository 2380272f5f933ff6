// What a worker process costs: requests for a model through infer::Model and a
// worker, without any socket of a client. The engine alone is //bench:engine.
//
//   ./bazelw run //cc/worker:hop_benchmark -- --model=DIR [--calls=16]
//       [--batching=0]
//
// `calls` requests of one row are always under way. Prints one line.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "cc/base/loop.h"
#include "cc/infer/model.h"
#include "cc/worker/process.h"
#include "cc/worker/runner.h"
#include "cc/worker/spawner.h"

namespace {

using infer::Clock;

class NoObserver : public infer::ModelObserver {
 public:
  void OnRun(int64_t rows, int64_t, int64_t, Clock::duration took) override {
    rows_ += rows;
    ++runs_;
    compute_ += took;
  }
  void OnQueued(Clock::duration) override {}
  void OnRejected() override {}
  void OnEnded(const std::string& why, Clock::duration) override {
    std::fprintf(stderr, "the worker %s\n", why.c_str());
  }
  void OnRestarted() override {}

  int64_t rows_ = 0;
  int64_t runs_ = 0;
  Clock::duration compute_{};
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures the way to a worker process and back.");
  std::string directory;
  int calls = 16;
  double seconds = 3;
  bool batching = true;
  app.add_option("--model", directory, "Directory of the model.")->required();
  app.add_option("--calls", calls, "Requests under way.");
  app.add_option("--seconds", seconds, "How long to measure.");
  app.add_option("--batching", batching, "Whether they run together.");
  CLI11_PARSE(app, argc, argv);

  auto spawner = worker::Spawner::Start(worker::RunModel, 0);
  if (!spawner.ok()) return 1;
  base::Loop loop;
  (*spawner)->Attach(&loop, nullptr);
  worker::ProcessBackend backend(&loop, spawner->get(), {});
  infer::ModelOptions options;
  options.directory = directory;
  options.batching = batching ? infer::Batching::kOn : infer::Batching::kOff;
  options.policy.max_rows = 32;
  options.policy.buckets = {1, 2, 4, 8, 16, 32};
  auto observer = std::make_unique<NoObserver>();
  NoObserver* const seen = observer.get();
  std::shared_ptr<infer::Model> model;
  int64_t done = 0;
  Clock::time_point start, end = Clock::time_point::max();
  std::function<void()> ask = [&] {
    infer::Request request;
    for (const base::TensorSpec& spec : model->info().inputs) {
      infer::Tensor tensor{spec.name, spec.dtype, spec.shape};
      size_t bytes = base::SizeOf(spec.dtype);
      for (int64_t& dim : tensor.shape) {
        if (dim < 0) dim = 1;
        bytes *= static_cast<size_t>(dim);
      }
      tensor.data = absl::Cord(std::string(bytes, '\0'));
      request.inputs.push_back(std::move(tensor));
    }
    model->Start(std::make_shared<infer::Call>(
        std::move(request), [&](infer::Call* call) {
          if (!call->status.ok()) {
            std::fprintf(stderr, "%s\n", call->status.ToString().c_str());
            return loop.Stop();
          }
          ++done;
          if (Clock::now() > end) return loop.Stop();
          ask();
        }));
  };
  model = infer::Model::Start(
      &loop, &backend, options, std::move(observer),
      [&](const absl::Status& status) {
        if (!status.ok()) {
          std::fprintf(stderr, "%s\n", status.ToString().c_str());
          return loop.Stop();
        }
        start = Clock::now();
        end = start +
              std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6));
        for (int i = 0; i < calls; ++i) ask();
      });
  loop.Run();
  const double took =
      std::chrono::duration<double>(Clock::now() - start).count();
  std::printf(
      "calls=%d batching=%d: %.0f requests/s, %.1f us each, %.1f rows a run, "
      "%.1f us of it in the engine; equal bits: %s\n",
      calls, batching, static_cast<double>(done) / took,
      took * 1e6 / static_cast<double>(done),
      static_cast<double>(seen->rows_) / static_cast<double>(seen->runs_),
      std::chrono::duration<double>(seen->compute_).count() * 1e6 /
          static_cast<double>(done),
      model->info().batching_reason.c_str());
  return 0;
}
