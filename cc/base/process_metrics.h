// The process_* family that every Prometheus client library gives: CPU time,
// memory, file descriptors, start time.
#ifndef CC_BASE_PROCESS_METRICS_H_
#define CC_BASE_PROCESS_METRICS_H_

#include <dirent.h>

#include <memory>

#include "cc/base/metrics_format.h"

namespace base {

// Holds what it reads of /proc open, for when no file can be opened any more
// is when its numbers are wanted. Made in the process that it tells of.
class ProcessMetrics {
 public:
  ProcessMetrics();
  ~ProcessMetrics();
  ProcessMetrics(const ProcessMetrics&) = delete;
  ProcessMetrics& operator=(const ProcessMetrics&) = delete;

  // What cannot be read is left out.
  FamilySamples Read();

 private:
  int stat_ = -1;
  DIR* fds_ = nullptr;
  double boot_time_ = 0;  // seconds since 1970 at which the machine started
};

}  // namespace base

#endif  // CC_BASE_PROCESS_METRICS_H_
