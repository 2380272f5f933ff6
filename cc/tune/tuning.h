// Measures a model in all settings, in rounds, and compares their answers.
#ifndef CC_TUNE_TUNING_H_
#define CC_TUNE_TUNING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cc/infer/servable.h"
#include "cc/tune/bench.h"
#include "cc/tune/requests.h"
#include "cc/tune/settings.h"
#include "cc/worker/spawner.h"

namespace tune {

struct Options {
  std::string directory;  // with the files of the model
  Setting present;
  Choices choices;
  int cpus = 1;
  std::vector<int64_t> rows = {1};  // of requests, one load each
  int concurrency = 16;
  double seconds = 3;  // of each load of each setting, all rounds together
  // Makes requests, when the model is loaded.
  std::function<absl::StatusOr<Requests>(const infer::ModelInfo&)> requests;
  std::function<void(const std::string&)> progress;  // a line
};

// The present setting's result comes first. An error where that does not run,
// or where no requests can be made; what is wrong with another setting, its
// result says.
absl::StatusOr<std::vector<Result>> Measure(worker::Spawner* spawner,
                                            const Options& options);

}  // namespace tune

#endif  // CC_TUNE_TUNING_H_
