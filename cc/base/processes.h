// The processes of this machine, or of the container that this one is in.
#ifndef CC_BASE_PROCESSES_H_
#define CC_BASE_PROCESSES_H_

#include <sys/types.h>

#include <vector>

namespace base {

// By /proc, in the order of their numbers; none where that cannot be read.
std::vector<pid_t> Processes();

}  // namespace base

#endif  // CC_BASE_PROCESSES_H_
