// What this process and those below it take.
#ifndef CC_TUNE_PROCESSES_H_
#define CC_TUNE_PROCESSES_H_

#include <sys/types.h>

#include <chrono>
#include <vector>

namespace tune {

// Those whose ancestor this one is, without those that have ended.
std::vector<pid_t> Descendants();

// CPU time of this process and of these.
std::chrono::nanoseconds CpuTime(const std::vector<pid_t>& processes);

// The most memory that one of these had at a time, in MiB.
double PeakMemory(const std::vector<pid_t>& processes);

}  // namespace tune

#endif  // CC_TUNE_PROCESSES_H_
