// The driver is //cc/engine/testdata's; FAKE_CUDA says what it plays.
#include "cc/server/device.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<Devices> Choose(const char* play, absl::string_view flag,
                               bool engine_has_cuda = true) {
  setenv("FAKE_CUDA", play, /*overwrite=*/1);
  return ChooseDevices(flag, engine_has_cuda);
}

void ExpectCpu(const absl::StatusOr<Devices>& devices, const char* why) {
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_THAT(devices->gpus, IsEmpty());
  EXPECT_EQ(devices->Name(), "cpu");
  EXPECT_THAT(devices->why, HasSubstr(why));
}

TEST(Auto, TakesTheGpusThatThereAre) {
  const auto devices = Choose("", "auto");
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_THAT(devices->gpus, ElementsAre(0, 1));
  EXPECT_EQ(devices->Name(), "gpu:0,1");
  EXPECT_EQ(devices->why, "GPU 0 (Fake A10); GPU 1 (Fake T4)");
}

TEST(Auto, LeavesOutAGpuThatDoesNotRunTheEngine) {
  const auto devices = Choose("hopper", "auto");
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_THAT(devices->gpus, ElementsAre(0));
  EXPECT_THAT(devices->why, HasSubstr("GPU 1 (Fake T4) does not run this "
                                      "engine: its compute capability is 9.0"));
}

TEST(Auto, ElseTakesTheCpuAndSaysWhy) {
  ExpectCpu(Choose("", "auto", /*engine_has_cuda=*/false), "without CUDA");
  ExpectCpu(Choose("no_device", "auto"), "sees no GPU");
  ExpectCpu(Choose("unknown_error", "auto"), "does not work");
  ExpectCpu(Choose("old", "auto"), "too old");
  ExpectCpu(Choose("all_hopper", "auto"), "capability is 9.0");
}

TEST(Cpu, IsTakenWhateverThereIs) {
  ExpectCpu(Choose("", "cpu"), "--device=cpu");
  ExpectCpu(Choose("unknown_error", "cpu"), "--device=cpu");
}

TEST(Gpu, TakesAllOrThoseNamed) {
  EXPECT_THAT(Choose("", "gpu")->gpus, ElementsAre(0, 1));
  EXPECT_THAT(Choose("", "gpu:1")->gpus, ElementsAre(1));
  EXPECT_EQ(Choose("", "gpu:1,0")->Name(), "gpu:0,1");
}

TEST(Gpu, SaysWhatIsMissingAndHowToMendIt) {
  const auto expect = [](const absl::StatusOr<Devices>& devices,
                         const char* part) {
    EXPECT_THAT(std::string(devices.status().message()),
                testing::AllOf(HasSubstr("--device=gpu"), HasSubstr(part),
                               HasSubstr("--device=cpu")));
  };
  expect(Choose("", "gpu", /*engine_has_cuda=*/false),
         "without CUDA: use the image inference_gpu");
  expect(Choose("no_device", "gpu:0"), "--gpus all");
  expect(Choose("", "gpu:0,2"), "no GPU 2: the driver sees 2");
  expect(Choose("hopper", "gpu:1"), "capability is 9.0");
  expect(Choose("hopper", "gpu:0,1"), "GPU 1 (Fake T4) does not run");
  expect(Choose("all_hopper", "gpu"), "GPU 0 (Fake A10) does not run");
}

TEST(Flags, AreCheckedWhenParsed) {
  for (const char* flag : {"auto", "cpu", "gpu", "gpu:0", "gpu:3,1"}) {
    CLI::App app;
    DeviceFlags flags;
    flags.Register(&app);
    app.parse(std::string("--device=") + flag);
    EXPECT_EQ(flags.device, flag);
  }
  for (const char* flag :
       {"tpu", "gpu:", "gpu:x", "gpu:-1", "gpu:0,0", "gpu:0,", "gpu0", "GPU"}) {
    CLI::App app;
    DeviceFlags flags;
    flags.Register(&app);
    EXPECT_THROW(app.parse(std::string("--device=") + flag),
                 CLI::ValidationError)
        << flag;
  }
}

}  // namespace
}  // namespace server
