#include "cc/server/model_flags.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cc/base/cpus.h"
#include "cc/server/config.h"

namespace server {

void ModelFlags::Register(CLI::App* app) {
  app->add_option(
         "--instances", instances,
         "Runs of each model at the same time; at least one on each GPU. 0: as "
         "many as there are CPUs for, by affinity and cgroup.")
      ->check(CLI::Range(0, 128));
  app->add_option("--threads", threads, "Threads that one run computes with.")
      ->check(CLI::Range(1, 1024));
  AddCpuEngine(app, "", [this](base::CpuEngine given) {
    cpu_engine = given;
  })->default_str("onednn");
  app->add_option_function<std::string>(
         "--batching",
         [this](const std::string& text) {
           batching = text == "on"    ? infer::Batching::kOn
                      : text == "off" ? infer::Batching::kOff
                                      : infer::Batching::kAuto;
         },
         "Whether requests are computed together: auto (where a model's "
         "answers are the same bits alone and in company, which is tried at "
         "load), on or off.")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->default_str("auto");
  app->add_option("--max_batch_rows", max_batch_rows,
                  "Rows that requests are computed together up to.")
      ->check(CLI::Range(1, 512));
}

CLI::Option* ModelFlags::AddCpuEngine(
    CLI::App* app, const std::string& help,
    std::function<void(base::CpuEngine)> set) {
  return app
      ->add_option_function<std::string>(
          "--cpu_engine",
          [set](const std::string& name) { set(*base::CpuEngineOf(name)); },
          absl::StrCat("onednn; openvino, of Paddle 3, faster for models in "
                       ".pdmodel, whose runs then take turns; "
                       "openvino_bfloat16, nearly twice as fast where the CPU "
                       "has AMX, with 8 bits of numbers' 24; or plain, "
                       "slower, but with the very bits of the dynamic graph.",
                       help))
      ->check(CLI::IsMember(std::vector<std::string>(base::kCpuEngines.begin(),
                                                     base::kCpuEngines.end())));
}

infer::Compute ModelFlags::Compute() const {
  const int64_t wanted =
      instances > 0 ? instances
                    : std::max<int64_t>(1, base::AvailableCpus() / threads);
  // Paddle without oneDNN has no OpenVINO either: its own kernels compute, so
  // that an image's settings are those of all machines.
  return {static_cast<int>(wanted), static_cast<int>(threads),
          base::kHasOneDnn ? cpu_engine : base::CpuEngine::kPlain};
}

absl::StatusOr<ModelFlags> ModelFlags::Of(const std::string& directory) const {
  const std::string path =
      (std::filesystem::path(directory) / kModelFile).string();
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return *this;
  ModelFlags flags = *this;
  CLI::App app;
  Config config;
  app.option_defaults()->always_capture_default();
  flags.Register(&app);
  config.Register(&app);
  if (absl::Status status = config.FillFromFile(path, Config::Unknown::kError);
      !status.ok()) {
    return status;
  }
  return flags;
}

}  // namespace server
