// The library is opened as the real one is; testdata/fake_nvml.c says what
// FAKE_NVML makes it play.
#include "cc/telemetry/gpu_metrics.h"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What the library plays from now on, by a file: it is asked on another thread.
void Play(const std::string& what) {
  const std::string path = ::testing::TempDir() + "/fake_nvml";
  std::ofstream(path + ".new") << what;
  std::rename((path + ".new").c_str(), path.c_str());
  setenv("FAKE_NVML", path.c_str(), /*overwrite=*/1);
}

GpuMetrics::Options Often() {
  GpuMetrics::Options options;
  options.pause = std::chrono::milliseconds(5);
  return options;
}

std::string Text(GpuMetrics* metrics) {
  return base::WriteMetrics(base::MetricsFormat::kText, metrics->Read());
}

// Until it says so; as long as a loaded machine may need.
std::string Await(GpuMetrics* metrics, const std::string& part) {
  std::string text;
  for (int i = 0; i < 6000; ++i) {
    text = Text(metrics);
    if (text.find(part) != std::string::npos) return text;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return text;
}

TEST(GpuMetrics, TellWhatGpusDo) {
  Play("");
  const auto metrics = GpuMetrics::Start(Often());
  ASSERT_NE(metrics, nullptr);
  const std::string text = Await(metrics.get(), "utilization");
  const std::string first = "{gpu=\"0\",uuid=\"GPU-0\",name=\"Fake A10\"} ";
  EXPECT_THAT(text, HasSubstr("gpu_utilization_ratio" + first + "0.25\n"));
  EXPECT_THAT(text,
              HasSubstr("gpu_memory_used_bytes" + first + "1073741824\n"));
  EXPECT_THAT(text,
              HasSubstr("gpu_memory_max_bytes" + first + "25769803776\n"));
  EXPECT_THAT(text, HasSubstr("gpu_temperature_celsius" + first + "61\n"));
  EXPECT_THAT(text, HasSubstr("gpu_power_watts" + first + "75.5\n"));
  EXPECT_THAT(text, HasSubstr("name=\"Fake T4\"} "));
  // The second one does not tell its power.
  EXPECT_THAT(text, Not(HasSubstr("power_watts{gpu=\"1\"")));
}

TEST(GpuMetrics, LeaveOutAGpuThatIsLost) {
  Play("lost");
  const auto metrics = GpuMetrics::Start(Often());
  const std::string text = Await(metrics.get(), "utilization");
  EXPECT_THAT(text, HasSubstr("Fake A10"));
  EXPECT_THAT(text, Not(HasSubstr("Fake T4")));
}

TEST(GpuMetrics, AreThereOnceTheDriverIs) {
  Play("no_driver");
  const auto metrics = GpuMetrics::Start(Often());
  EXPECT_EQ(Text(metrics.get()), "");
  Play("");
  EXPECT_THAT(Await(metrics.get(), "utilization"), HasSubstr("Fake A10"));
}

TEST(GpuMetrics, ShowWhatADriverSaidBeforeItHung) {
  Play("");
  auto options = Often();
  options.oldest = std::chrono::hours(1);
  auto metrics = GpuMetrics::Start(options);
  Await(metrics.get(), "utilization");
  Play("hang");
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(Text(metrics.get()), HasSubstr("Fake A10"));
  }
  metrics.reset();  // does not wait
  Play("");         // lets the thread go
}

// Runs before the others, while there is one thread.
TEST(GpuMetricsDeathTest, ADriverThatHangsKeepsNoProcessFromItsEnd) {
  EXPECT_EXIT(
      {
        Play("hang");
        const auto metrics = GpuMetrics::Start(Often());
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        std::exit(metrics != nullptr && metrics->Read().empty() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(GpuMetrics, AreNotShownForever) {
  Play("");
  auto options = Often();
  options.oldest = std::chrono::milliseconds(100);
  const auto metrics = GpuMetrics::Start(options);
  Await(metrics.get(), "utilization");
  Play("hang");
  std::string text = "some";
  for (int i = 0; i < 6000 && !text.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    text = Text(metrics.get());
  }
  EXPECT_EQ(text, "");
  Play("");
  EXPECT_THAT(Await(metrics.get(), "utilization"), HasSubstr("Fake A10"));
}

}  // namespace
}  // namespace telemetry
