#include "cc/engine/openvino.h"

#include <link.h>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <new>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/engine/engine.h"
#include "cc/engine/paddle_line.h"
#include "paddle_inference_api.h"

namespace engine {
namespace {

namespace fs = std::filesystem;

// OpenVINO opens it by this name, where its own library lies.
constexpr char kPlugin[] = "libopenvino_intel_cpu_plugin.so";

constexpr char kImage[] = "inference_paddle3_openvino";

constexpr int kError = 2;  // glog's severity

// The folder of libopenvino.so, which libpaddle.so is linked with; empty: none.
fs::path OpenVinoFolder() {
  std::string path;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* found) {
        const std::string name = info->dlpi_name;
        if (!absl::StrContains(name, "/libopenvino.so")) return 0;
        *static_cast<std::string*>(found) = name;
        return 1;
      },
      &path);
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error ? fs::path() : real.parent_path();
}

absl::Mutex& NamesMutex() {
  static auto* const mutex = new absl::Mutex;
  return *mutex;
}

std::set<std::string>& Names() {
  static auto* const names = new std::set<std::string>;
  return *names;
}

}  // namespace

absl::Status OpenVinoIsThere() {
  if (!IsPaddle3()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "Paddle ", PaddleVersion(), " has no OpenVINO: use the image ", kImage,
        ", or compute with cpu_engine onednn"));
  }
  if (paddle::paddle3::EnableOpenVino == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("Paddle ", PaddleVersion(),
                     " has no OpenVINO on this machine: compute with "
                     "cpu_engine plain"));
  }
  const fs::path folder = OpenVinoFolder();
  std::error_code error;
  if (!fs::exists(folder / kPlugin, error)) {
    return absl::FailedPreconditionError(absl::StrCat(
        folder.string(), " has no ", kPlugin,
        ", which OpenVINO computes with: use the image ", kImage,
        ", add OPENVINO of //images/layers:defs.bzl to the layers of yours, or "
        "compute with cpu_engine onednn"));
  }
  return absl::OkStatus();
}

absl::Status CheckCpuFor(base::CpuEngine cpu_engine) {
#if defined(__x86_64__)
  if (cpu_engine != base::CpuEngine::kOpenVinoBfloat16 ||
      __builtin_cpu_supports("avx512bf16")) {
    return absl::OkStatus();
  }
#endif
  return absl::FailedPreconditionError(
      "this CPU does not compute in bfloat16 (/proc/cpuinfo has no "
      "avx512_bf16): compute with cpu_engine openvino");
}

absl::Status CheckForOpenVino(const ModelFiles& files) {
  const auto refused = [&](const std::string& why, const std::string& cure) {
    return absl::InvalidArgumentError(absl::StrCat(
        files.program, " ", why, ": ", cure, cure.empty() ? "" : ", or ",
        "compute with cpu_engine onednn"));
  };
  if (files.pir) {
    return refused(
        "is in Paddle 3's own format, of which Paddle gives OpenVINO nothing",
        "export the model with FLAGS_enable_pir_api=0, which writes a "
        ".pdmodel");
  }
  const fs::path program = files.program;
  fs::path parameters = program;
  parameters.replace_extension(".pdiparams");
  if (program.extension() != ".pdmodel" ||
      (!files.signature.parameters.empty() && parameters != files.parameters)) {
    return refused(
        "has a name that OpenVINO does not know",
        "rename it to model.pdmodel, and its parameters to model.pdiparams");
  }
  for (const NamedTensor& input : files.signature.inputs) {
    if (input.lod_level > 0) {
      return refused(absl::StrCat("takes sequences of unequal length (LoD, ",
                                  input.name, "), which OpenVINO does not"),
                     "");
    }
  }
  if (!files.signature.guarded.program.empty()) {
    return refused(
        "looks up numbers that it computes, which only guards hold to their "
        "tables, and OpenVINO has no guards",
        "");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<OpenVinoPlace>> OpenVinoPlace::Take(
    const Signature& signature) {
  std::string names;
  const auto add = [&](const std::string& name) {
    absl::StrAppend(&names, name.size(), " ", name);
  };
  for (const NamedTensor& input : signature.inputs) add(input.name);
  for (const NamedTensor& output : signature.outputs) add(output.name);
  for (const auto& [name, desc] : signature.parameters) add(name);
  const absl::MutexLock lock(&NamesMutex());
  if (!Names().insert(names).second) {
    return absl::FailedPreconditionError(
        "a model with the same names in its network is computed with OpenVINO "
        "in this process, and Paddle could take one for the other: clone that "
        "one, let it go before, or load this one in another process");
  }
  return std::make_shared<OpenVinoPlace>(std::move(names));
}

OpenVinoPlace::~OpenVinoPlace() {
  const absl::MutexLock lock(&NamesMutex());
  Names().erase(names_);
}

void EnableOpenVino(base::CpuEngine cpu_engine, paddle_infer::Config* config) {
  paddle::paddle3::EnableOpenVino(
      config, cpu_engine == base::CpuEngine::kOpenVinoBfloat16
                  ? paddle_infer::PrecisionType::kBf16
                  : paddle_infer::PrecisionType::kFloat32);
  // Paddle wants a folder for OpenVINO to keep in, for the next process, what
  // it compiles, else it makes ./__cache__. In this one there is no file of
  // such a name, and none can be made.
  config->SetOptimCacheDir("/proc/self/fd");
}

std::shared_ptr<paddle_infer::Predictor> CreateOpenVinoPredictor(
    const paddle_infer::Config& config) {
  try {
    return paddle_infer::CreatePredictor(config);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    // Of what it says some is Paddle's, with a kind, and some OpenVINO's.
    throw std::runtime_error(
        absl::StrCat("(InvalidArgument) OpenVINO does not take it, compute "
                     "with cpu_engine onednn: ",
                     e.what()));
  }
}

bool RunOpenVino(const std::function<bool()>& run) {
  static absl::Mutex* const one = new absl::Mutex;
  const absl::MutexLock lock(one);
  const int64_t before = google::LogMessage::num_messages(kError);
  const bool done = run();
  if (google::LogMessage::num_messages(kError) != before) {
    throw std::runtime_error(
        "(InvalidArgument) OpenVINO cannot compute with these inputs, it says "
        "why on stderr");
  }
  return done;
}

}  // namespace engine
