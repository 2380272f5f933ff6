// `server tune`: measures a model in all settings that make sense here, by the
// code that serves it, and says what each would change in its answers. A
// setting is a choice of bits: it is written only where that is asked for.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cc/base/cpu_engine.h"
#include "cc/base/cpus.h"
#include "cc/engine/engine.h"
#include "cc/frontend/rest/decode.h"
#include "cc/infer/scan.h"
#include "cc/server/commands.h"
#include "cc/server/config.h"
#include "cc/server/model_flags.h"
#include "cc/server/read_file.h"
#include "cc/tune/requests.h"
#include "cc/tune/settings.h"
#include "cc/tune/tuning.h"
#include "cc/worker/runner.h"
#include "cc/worker/spawner.h"

namespace server {
namespace {

namespace fs = std::filesystem;

struct TuneFlags {
  std::string model;
  std::string config;
  std::vector<int64_t> rows;
  double seconds = 3;
  std::optional<int64_t> concurrency;
  std::vector<std::string> shapes;
  std::string input;
  tune::Choices choices;
  bool write = false;
  bool allow_other_bits = false;

  void Register(CLI::App* app) {
    const auto list = [app](const std::string& name, auto* value, int64_t min,
                            int64_t max, const std::string& help) {
      app->add_option(name, *value, help)
          ->delimiter(',')
          ->take_all()
          ->allow_extra_args(false)
          ->check(CLI::Range(min, max))
          ->default_str("");
    };
    app->add_option("MODEL", model,
                    "Directory of a model, or of its versions: the highest.")
        ->required();
    list("--rows", &rows, 1, 1 << 20,
         "Rows of a request, or sequences; several, as 1,8,32, are measured "
         "one after the other. Without it 1.");
    app->add_option("--seconds", seconds,
                    "How long each setting is measured for each of --rows, in "
                    "three rounds.")
        ->check(CLI::Range(0.03, 3600.0));
    app->add_option("--concurrency", concurrency,
                    "Requests that are always under way; without it 16, or two "
                    "for each CPU where that is more.")
        ->check(CLI::Range(1, 100'000))
        ->default_str("");
    app->add_option("--shape", shapes,
                    "NAME=-1,3,224,224: the shape of an input that the model "
                    "leaves open, once for each; -1 where --rows counts. Of "
                    "sequences (LoD) the first number is the length of one.")
        ->take_all()
        ->allow_extra_args(false)
        ->default_str("");
    app->add_option("--input", input,
                    "A request, as JSON of the Open Inference Protocol, whose "
                    "rows are asked; without it made-up values within the "
                    "inputs' ranges.");
    app->add_option_function<std::vector<std::string>>(
           "--cpu_engine",
           [this](const std::vector<std::string>& names) {
             choices.cpu_engine.clear();
             for (const std::string& name : names) {
               choices.cpu_engine.push_back(*base::CpuEngineOf(name));
             }
           },
           "What is tried; without it onednn,plain, and openvino where it is "
           "there.")
        ->delimiter(',')
        ->take_all()
        ->allow_extra_args(false)
        ->check(CLI::IsMember(std::vector<std::string>(
            base::kCpuEngines.begin(), base::kCpuEngines.end())))
        ->default_str("");
    list("--threads", &choices.threads, 1, 1024,
         "What is tried; without it 1, 2, 4, ... and all CPUs.");
    list("--instances", &choices.instances, 1, 128,
         "What is tried; without it 1, 2, 4, ... and as many as there are CPUs "
         "for.");
    list("--max_batch_rows", &choices.max_batch_rows, 1, 512,
         "What is tried; without it 1, which is no batching, and the present "
         "one.");
    app->add_option("--config", config,
                    "The file that `serve` is given: what is in force now.");
    app->add_flag("--write", write,
                  absl::StrCat("Writes the fastest setting that keeps the bits "
                               "of answers to ",
                               kModelFile, " in the model's directory."));
    app->add_flag("--allow_other_bits", allow_other_bits,
                  "With --write: the fastest setting, whatever the bits.");
    app->footer(
        "On the CPU, of which --threads times --instances takes no more than "
        "there is, by affinity and\ncgroup. Nothing is written without "
        "--write.");
  }
};

// The directory with the files of the model, or of its highest version.
absl::StatusOr<std::string> FindModel(const std::string& directory) {
  const auto found = infer::Scan(directory);
  if (!found.ok()) return found.status();
  if (found->models.size() > 1) {
    std::vector<std::string> names;
    for (const auto& [name, versions] : found->models) names.push_back(name);
    return absl::InvalidArgumentError(
        absl::StrCat(directory, " has several models: give one of them, as ",
                     (fs::path(directory) / names[0]).string(), "; there is ",
                     absl::StrJoin(names, ", ")));
  }
  return found->models.begin()->second.rbegin()->second.directory;
}

// What `serve` has in force for the model: by the environment, its file and
// the model's.
absl::StatusOr<ModelFlags> PresentFlags(const std::string& config_file,
                                        const std::string& directory) {
  CLI::App app;
  app.option_defaults()->always_capture_default();
  ModelFlags flags;
  Config config;
  flags.Register(&app);
  config.Register(&app);
  std::vector<std::string> arguments;
  if (!config_file.empty()) {
    arguments.push_back(absl::StrCat("--config=", config_file));
  }
  app.parse(arguments);
  if (absl::Status status =
          config.Fill(EnvironmentOf("self"), Config::Unknown::kIgnored);
      !status.ok()) {
    return status;
  }
  return flags.Of(directory);
}

absl::StatusOr<tune::Shapes> ParseShapes(
    const std::vector<std::string>& texts) {
  tune::Shapes shapes;
  for (const std::string& text : texts) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(text, absl::MaxSplits('=', 1));
    std::vector<int64_t>& shape = shapes[parts.first];
    shape.clear();
    for (absl::string_view word : absl::StrSplit(parts.second, ',')) {
      if (!absl::SimpleAtoi(word, &shape.emplace_back())) {
        return absl::InvalidArgumentError(absl::StrCat(
            "--shape=", text, " should be like NAME=-1,3,224,224"));
      }
    }
  }
  return shapes;
}

absl::StatusOr<std::optional<infer::Request>> ReadInput(
    const std::string& path, const infer::ModelInfo& model) {
  if (path.empty()) return std::nullopt;
  const auto bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  rest::Body body;
  body.bytes = absl::Cord(*bytes);
  auto decoded = rest::DecodeInferRequest(model, body, /*budget=*/nullptr);
  if (!decoded.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", decoded.status().message()));
  }
  return std::move(decoded->request);
}

absl::Status CannotWrite(const fs::path& path, const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat(
      "cannot write ", path.string(), ": ", why,
      "; make the model's directory writable, or go without --write and put "
      "there what is printed"));
}

// Before anything is measured: whether the model's file can be written.
absl::Status CheckWritable(const std::string& directory) {
  const fs::path path = fs::path(directory) / kModelFile;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    return CannotWrite(path, "it is a directory");
  }
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return CannotWrite(path, strerror(errno));
  }
  return absl::OkStatus();
}

// By a rename, so that a server that looks never sees half of it.
absl::Status Write(const std::string& directory, const std::string& text) {
  const fs::path path = fs::path(directory) / kModelFile;
  const fs::path part =
      fs::path(directory) / absl::StrCat(".", kModelFile, ".", getpid());
  errno = 0;
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  file.close();
  if (file && std::rename(part.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  const std::string why = strerror(errno != 0 ? errno : EIO);
  std::error_code ignored;
  fs::remove(part, ignored);
  return CannotWrite(path, why);
}

// What follows "answers", of a setting that does not keep their bits.
std::string Apart(const tune::Result& result) {
  const tune::Difference difference = result.difference();
  return difference.bits ? difference.Words() : "may have other bits elsewhere";
}

// The model's file.
std::string FileText(const tune::Result& result, const tune::Result& present) {
  const tune::Setting& setting = result.setting;
  std::string text = absl::StrFormat(
      "# By `server tune` on %d CPUs: %.2f x the inferences of before; answers "
      "%s.\n",
      base::AvailableCpus(), result.Gain(present),
      result.Keeps(present) ? "have the same bits" : Apart(result));
  absl::StrAppend(
      &text, "cpu_engine: ", base::NameOf(setting.compute.cpu_engine), "\n");
  absl::StrAppend(&text, "threads: ", setting.compute.threads, "\n");
  absl::StrAppend(&text, "instances: ", setting.compute.instances, "\n");
  absl::StrAppend(&text, "batching: ", infer::NameOf(setting.batching), "\n");
  if (setting.batching != infer::Batching::kOff) {
    absl::StrAppend(&text, "max_batch_rows: ", setting.max_batch_rows, "\n");
  }
  return text;
}

std::string Line(const std::string& what, const tune::Result& result,
                 const tune::Result& present) {
  return absl::StrFormat("%s: %.2f x now: %s\n", what, result.Gain(present),
                         tune::Words(result.setting));
}

// On stdout, what was found; and the file, where that is wanted.
absl::Status Tell(const TuneFlags& flags, const std::string& directory,
                  const std::vector<tune::Result>& results) {
  const tune::Result& present = results.front();
  const tune::Verdict verdict = tune::Judge(results);
  std::string text =
      tune::Table(results, verdict,
                  flags.rows.empty() ? std::vector<int64_t>{1} : flags.rows);
  absl::StrAppend(&text, "\nnow: ", tune::Words(present.setting), "\n");
  if (verdict.kept == &present) {
    absl::StrAppend(&text,
                    "fastest with the same bits: what there is now; no other "
                    "setting is 5 % faster\n");
  } else {
    absl::StrAppend(&text,
                    Line("fastest with the same bits", *verdict.kept, present));
  }
  if (verdict.other != nullptr) {
    absl::StrAppend(
        &text, Line(absl::StrCat("faster, but answers ", Apart(*verdict.other)),
                    *verdict.other, present));
  }
  absl::Status written;
  if (flags.write) {
    const tune::Result& chosen =
        flags.allow_other_bits && verdict.other != nullptr ? *verdict.other
                                                           : *verdict.kept;
    written = Write(directory, FileText(chosen, present));
    if (written.ok()) {
      absl::StrAppend(&text, "written to ", directory, "/", kModelFile, ": ",
                      tune::Words(chosen.setting), "\n");
    }
  } else {
    absl::StrAppend(&text, "nothing was written: --write would, to ", directory,
                    "/", kModelFile, "\n");
  }
  std::fputs(text.c_str(), stdout);
  return written;
}

absl::Status Tune(const TuneFlags& flags) {
  const auto directory = FindModel(flags.model);
  if (!directory.ok()) return directory.status();
  const auto present = PresentFlags(flags.config, *directory);
  if (!present.ok()) return present.status();
  const auto shapes = ParseShapes(flags.shapes);
  if (!shapes.ok()) return shapes.status();
  if (flags.write) {
    if (absl::Status status = CheckWritable(*directory); !status.ok()) {
      return status;
    }
  }
  // Before there are threads.
  auto spawner = worker::Spawner::Start(worker::RunModel, /*max_memory_mb=*/0);
  if (!spawner.ok()) return spawner.status();
  tune::Options options;
  options.directory = *directory;
  options.present = {present->Compute(), present->batching,
                     present->max_batch_rows};
  options.choices = flags.choices;
  if (options.choices.cpu_engine.empty() && engine::OpenVinoIsThere().ok()) {
    options.choices.cpu_engine = {base::CpuEngine::kOneDnn,
                                  base::CpuEngine::kPlain,
                                  base::CpuEngine::kOpenVino};
  }
  options.cpus = base::AvailableCpus();
  if (!flags.rows.empty()) options.rows = flags.rows;
  options.concurrency = static_cast<int>(
      flags.concurrency.value_or(std::max(16, 2 * options.cpus)));
  options.seconds = flags.seconds;
  options.requests =
      [&](const infer::ModelInfo& model) -> absl::StatusOr<tune::Requests> {
    const auto given = ReadInput(flags.input, model);
    if (!given.ok()) return given.status();
    return tune::Requests::Make(model, *shapes, *given);
  };
  options.progress = [](const std::string& what) {
    std::fprintf(stderr, "tune: %s\n", what.c_str());
  };
  const auto results = tune::Measure(spawner->get(), options);
  if (!results.ok()) return results.status();
  return Tell(flags, *directory, *results);
}

}  // namespace

Command AddTune(CLI::App* program) {
  CLI::App* app = program->add_subcommand(
      "tune",
      "Measures a model in many settings, and which of them keep the bits of "
      "its answers.");
  const auto flags = std::make_shared<TuneFlags>();
  flags->Register(app);
  return {app, [flags] {
            if (flags->allow_other_bits && !flags->write) {
              return WrongUsage(absl::InvalidArgumentError(
                                    "--allow_other_bits is for --write"),
                                "tune");
            }
            const absl::Status status = Tune(*flags);
            return status.ok() ? 0 : Failed(status);
          }};
}

}  // namespace server
