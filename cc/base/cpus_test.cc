#include "cc/base/cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace base {
namespace {

namespace fs = std::filesystem;

class CpusTest : public testing::Test {
 protected:
  CpusTest() : root_(fs::path(testing::TempDir()) / "root") {
    fs::remove_all(root_);
  }
  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  int Cpus() const { return AvailableCpus(root_.string()); }

  const fs::path root_;
};

TEST_F(CpusTest, AQuotaIsRoundedUp) {
  Write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(Cpus(), 1);
}

TEST_F(CpusTest, OfCgroup1Too) {
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "80000\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Cpus(), 1);
}

TEST_F(CpusTest, WithoutAQuotaTheAffinityCounts) {
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  EXPECT_EQ(Cpus(), CPU_COUNT(&set));
  Write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(Cpus(), CPU_COUNT(&set));
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Cpus(), CPU_COUNT(&set));
}

TEST_F(CpusTest, AQuotaBeyondTheAffinityGivesNoMore) {
  Write("sys/fs/cgroup/cpu.max", "100000000 100000\n");
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  EXPECT_EQ(Cpus(), CPU_COUNT(&set));
}

}  // namespace
}  // namespace base
