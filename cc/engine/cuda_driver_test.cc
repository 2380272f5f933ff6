// The driver is asked through dlopen, as the real one is; testdata/fake_cuda.c
// says what FAKE_CUDA makes it play.
#include "cc/engine/cuda_driver.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

using testing::HasSubstr;

absl::StatusOr<CudaDriver> Play(const char* what) {
  setenv("FAKE_CUDA", what, /*overwrite=*/1);
  return CudaDriver::Open();
}

void ExpectError(const char* play, absl::StatusCode code, const char* part) {
  const absl::StatusOr<CudaDriver> driver = Play(play);
  EXPECT_EQ(driver.status().code(), code) << driver.status();
  EXPECT_THAT(std::string(driver.status().message()), HasSubstr(part));
}

TEST(CudaDriver, TellsOfItsGpus) {
  const absl::StatusOr<CudaDriver> driver = Play("");
  ASSERT_TRUE(driver.ok()) << driver.status();
  EXPECT_EQ(driver->cuda_version(), "12.2");
  ASSERT_EQ(driver->gpus().size(), 2u);
  const Gpu& second = driver->gpus()[1];
  EXPECT_EQ(NameOf(1, second), "GPU 1 (Fake T4)");
  EXPECT_EQ(second.major, 7);
  EXPECT_EQ(second.minor, 5);
  EXPECT_EQ(second.memory, 16ull << 30);
}

TEST(CudaDriver, SaysWhatIsWrongAndHowToMendIt) {
  ExpectError("no_device", absl::StatusCode::kUnavailable, "--gpus all");
  ExpectError("none", absl::StatusCode::kUnavailable, "CUDA_VISIBLE_DEVICES");
  ExpectError("unknown_error", absl::StatusCode::kInternal,
              "(cuInit: CUDA_ERROR_UNKNOWN (999)): see that nvidia-smi works");
  ExpectError("old", absl::StatusCode::kFailedPrecondition,
              "CUDA up to 10.2: install release 450.80.02");
}

TEST(CudaDriver, CopiesThereAndBack) {
  const absl::StatusOr<CudaDriver> driver = Play("");
  ASSERT_TRUE(driver.ok()) << driver.status();
  EXPECT_EQ(driver->CopyThereAndBack(0), absl::OkStatus());
  EXPECT_EQ(driver->CopyThereAndBack(1), absl::OkStatus());
}

TEST(CudaDriver, SeesCopiesThatFail) {
  for (const auto& [play, part] :
       {std::pair{"no_memory", "cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (2)"},
        std::pair{"wrong_bytes", "other bytes"}}) {
    const absl::StatusOr<CudaDriver> driver = Play(play);
    ASSERT_TRUE(driver.ok()) << driver.status();
    EXPECT_EQ(driver->CopyThereAndBack(0), absl::OkStatus());
    EXPECT_THAT(std::string(driver->CopyThereAndBack(1).message()),
                HasSubstr(part));
  }
}

TEST(CheckCapability, WantsTheMajorVersionAndAtLeastTheMinor) {
  for (const auto& [major, minor] :
       {std::pair{6, 1}, std::pair{6, 2}, std::pair{7, 2}, std::pair{7, 5},
        std::pair{8, 0}, std::pair{8, 9}}) {
    EXPECT_TRUE(CheckCapability({"", major, minor}).ok()) << major << minor;
  }
  for (const auto& [major, minor] :
       {std::pair{5, 2}, std::pair{6, 0}, std::pair{9, 0}, std::pair{10, 0}}) {
    EXPECT_FALSE(CheckCapability({"", major, minor}).ok()) << major << minor;
  }
  EXPECT_THAT(std::string(CheckCapability({"", 9, 0}).message()),
              HasSubstr("capability is 9.0"));
}

}  // namespace
}  // namespace engine
