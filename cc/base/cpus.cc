#include "cc/base/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>

namespace base {
namespace {

// CPUs by their quota: so many microseconds in each period of so many.
std::optional<double> Quota(const std::string& root) {
  // "max 100000" where there is none.
  std::ifstream v2(root + "/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (v2 >> quota >> period && period > 0) return quota / period;
  std::ifstream v1_quota(root + "/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream v1_period(root + "/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1_quota >> quota && v1_period >> period && quota > 0 && period > 0) {
    return quota / period;
  }
  return std::nullopt;
}

}  // namespace

int AvailableCpus(const std::string& root) {
  cpu_set_t set;
  int cpus = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cpus = std::max(1, CPU_COUNT(&set));
  }
  if (const auto quota = Quota(root)) {
    cpus = std::min(cpus, std::max(1, static_cast<int>(std::ceil(*quota))));
  }
  return cpus;
}

}  // namespace base
