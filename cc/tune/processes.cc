#include "cc/tune/processes.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "cc/base/processes.h"

namespace tune {
namespace {

std::chrono::nanoseconds Read(clockid_t clock) {
  timespec time = {};
  if (clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) +
         std::chrono::nanoseconds(time.tv_nsec);
}

// Parents of all processes that have not ended.
std::map<pid_t, pid_t> Parents() {
  std::map<pid_t, pid_t> parents;
  for (const pid_t pid : base::Processes()) {
    std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
    std::string line;
    std::getline(file, line);
    const size_t name = line.rfind(')');  // it may hold anything
    char state;
    pid_t parent;
    if (name == line.npos ||
        std::sscanf(line.c_str() + name + 1, " %c %d", &state, &parent) != 2 ||
        state == 'Z' || state == 'X') {
      continue;
    }
    parents[pid] = parent;
  }
  return parents;
}

}  // namespace

std::vector<pid_t> Descendants() {
  const std::map<pid_t, pid_t> parents = Parents();
  std::vector<pid_t> found = {getpid()};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const auto& [pid, parent] : parents) {
      if (parent == found[i]) found.push_back(pid);
    }
  }
  found.erase(found.begin());
  return found;
}

std::chrono::nanoseconds CpuTime(const std::vector<pid_t>& processes) {
  std::chrono::nanoseconds sum = Read(CLOCK_PROCESS_CPUTIME_ID);
  for (const pid_t process : processes) {
    clockid_t clock;
    if (clock_getcpuclockid(process, &clock) == 0) sum += Read(clock);
  }
  return sum;
}

double PeakMemory(const std::vector<pid_t>& processes) {
  double most = 0;
  for (const pid_t process : processes) {
    std::ifstream file(absl::StrCat("/proc/", process, "/status"));
    for (std::string line; std::getline(file, line);) {
      double kib;
      if (std::sscanf(line.c_str(), "VmHWM: %lf", &kib) == 1) {
        most = std::max(most, kib / 1024);
      }
    }
  }
  return most;
}

}  // namespace tune
