// How many CPUs this process may use.
#ifndef CC_BASE_CPUS_H_
#define CC_BASE_CPUS_H_

#include <string>

namespace base {

// What its affinity and its cgroup's cpu.max (v2; v1: cpu.cfs_quota_us) leave
// it, rounded up, 1 at least: in a container the number of the machine's CPUs
// says nothing. `root`: of the file system, for tests.
int AvailableCpus(const std::string& root = "");

}  // namespace base

#endif  // CC_BASE_CPUS_H_
