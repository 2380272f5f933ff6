// The driver is //cc/engine/testdata's; FAKE_CUDA says what it plays.
#include "cc/engine/gpu_report.h"

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Report {
  GpuResult result;
  std::string text;
  std::vector<int> ran;  // GPUs that a model was run on
};

Report Play(const char* play, absl::Status model = absl::OkStatus(),
            bool engine_has_cuda = true) {
  setenv("FAKE_CUDA", play, /*overwrite=*/1);
  Report report;
  GpuCheck check;
  check.paddle_version = "2.6.2";
  check.engine_has_cuda = engine_has_cuda;
  check.run_model = [&](int gpu) -> absl::StatusOr<std::string> {
    report.ran.push_back(gpu);
    if (!model.ok()) return model;
    return "the model gives the CPU's outputs";
  };
  std::ostringstream out;
  report.result = ReportGpus(check, out);
  report.text = out.str();
  return report;
}

TEST(GpuReport, AllWork) {
  const Report report = Play("");
  EXPECT_EQ(report.result, kGpusWork);
  EXPECT_THAT(report.ran, ElementsAre(0, 1));
  EXPECT_EQ(report.text,
            "engine: Paddle 2.6.2, built with CUDA 11.8\n"
            "CUDA runtime: inside the engine (libcudart.so.11.0 is not here)\n"
            "cuDNN: not found (libcudnn.so.8): convolutions will fail; use the "
            "image as it is\n"
            "driver: knows CUDA up to 12.2, sees 2 GPUs\n"
            "GPU 0 (Fake A10): compute capability 8.6, 24576 MiB\n"
            "GPU 0 (Fake A10): a tensor went there and back\n"
            "GPU 0 (Fake A10): the model gives the CPU's outputs\n"
            "GPU 1 (Fake T4): compute capability 7.5, 16384 MiB\n"
            "GPU 1 (Fake T4): a tensor went there and back\n"
            "GPU 1 (Fake T4): the model gives the CPU's outputs\n"
            "result: all GPUs work\n");
}

TEST(GpuReport, NoGpu) {
  for (const char* play : {"no_device", "none"}) {
    const Report report = Play(play);
    EXPECT_EQ(report.result, kNoGpu);
    EXPECT_THAT(report.text, HasSubstr("driver: the NVIDIA driver sees no GPU: "
                                       "run the container with --gpus all"));
    EXPECT_THAT(report.text,
                HasSubstr("result: no GPU, see above; models run on the CPU"));
  }
}

TEST(GpuReport, EngineWithoutCuda) {
  const Report report = Play("", absl::OkStatus(), /*engine_has_cuda=*/false);
  EXPECT_EQ(report.result, kEngineHasNoCuda);
  EXPECT_THAT(report.ran, ElementsAre());
  EXPECT_THAT(report.text, HasSubstr("GPU 1 (Fake T4): a tensor went there"));
  EXPECT_THAT(
      report.text,
      HasSubstr("result: this engine is built without CUDA: use the "
                "image inference_gpu or train_gpu; models run on the CPU"));
  EXPECT_EQ(Play("none", absl::OkStatus(), false).result, kEngineHasNoCuda);
}

TEST(GpuReport, DriverThatDoesNotWork) {
  for (const auto& [play, part] :
       {std::pair{"unknown_error", "CUDA_ERROR_UNKNOWN (999)"},
        std::pair{"old", "CUDA up to 10.2"}}) {
    const Report report = Play(play);
    EXPECT_EQ(report.result, kGpuBroken);
    EXPECT_THAT(report.text, HasSubstr(part));
    EXPECT_THAT(report.text, HasSubstr("result: the driver does not work"));
  }
}

TEST(GpuReport, NamesTheGpuThatDoesNotWork) {
  for (const auto& [play, part] :
       {std::pair{"hopper",
                  "does not run this engine: its compute capability "
                  "is 9.0"},
        std::pair{"no_memory", "CUDA_ERROR_OUT_OF_MEMORY"},
        std::pair{"wrong_bytes", "other bytes"}}) {
    const Report report = Play(play);
    EXPECT_EQ(report.result, kGpuBroken);
    EXPECT_THAT(report.ran, ElementsAre(0));
    EXPECT_THAT(report.text, HasSubstr(part));
    EXPECT_THAT(report.text,
                HasSubstr("result: GPU 1 (Fake T4) does not work"));
  }
  const Report both = Play("", absl::InternalError("the outputs differ"));
  EXPECT_EQ(both.result, kGpuBroken);
  EXPECT_THAT(both.text, HasSubstr("does not run a model: the outputs differ"));
  EXPECT_THAT(both.text, HasSubstr("result: GPU 0 (Fake A10), GPU 1 (Fake T4) "
                                   "do not work"));
}

TEST(GpuReport, WithoutAModelSaysSo) {
  const Report report = Play("", absl::UnavailableError("none is in /models"));
  EXPECT_EQ(report.result, kGpusWork);
  EXPECT_THAT(report.text, HasSubstr("no model was run: none is in /models"));
  const Report wrong = Play("", absl::AbortedError("no such model"));
  EXPECT_EQ(wrong.result, kGpuCheckFailed);
  EXPECT_THAT(wrong.text, Not(HasSubstr("all GPUs work")));
}

}  // namespace
}  // namespace engine
