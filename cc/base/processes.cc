#include "cc/base/processes.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"

namespace base {

std::vector<pid_t> Processes() {
  std::vector<pid_t> processes;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end;
       !error && it != end; it.increment(error)) {
    pid_t number;
    if (absl::SimpleAtoi(it->path().filename().string(), &number)) {
      processes.push_back(number);
    }
  }
  std::sort(processes.begin(), processes.end());
  return processes;
}

}  // namespace base
