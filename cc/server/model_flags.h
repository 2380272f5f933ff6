// The flags of `serve` that a model's own file can have too: how it computes.
#ifndef CC_SERVER_MODEL_FLAGS_H_
#define CC_SERVER_MODEL_FLAGS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "cc/base/cpu_engine.h"
#include "cc/infer/model.h"

namespace server {

// The file beside model.pdmodel: YAML, flags by their names.
inline constexpr char kModelFile[] = "serving.yaml";

struct ModelFlags {
  int64_t instances = 1;
  int64_t threads = 1;
  base::CpuEngine cpu_engine = base::CpuEngine::kOneDnn;
  infer::Batching batching = infer::Batching::kAuto;
  int64_t max_batch_rows = 32;

  void Register(CLI::App* app);

  // --instances=0 becomes the number that it stands for.
  infer::Compute Compute() const;

  // Adds --cpu_engine, in one place for all programs; `help` follows what it
  // says of each. `set` is called with the one that is given.
  static CLI::Option* AddCpuEngine(CLI::App* app, const std::string& help,
                                   std::function<void(base::CpuEngine)> set);

  // These, and over them what the file in the model's directory says, if there
  // is one. INVALID_ARGUMENT, NOT_FOUND: where and what is wrong.
  absl::StatusOr<ModelFlags> Of(const std::string& directory) const;
};

}  // namespace server

#endif  // CC_SERVER_MODEL_FLAGS_H_
