#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cc/server/json.h"
#include "cc/server/metrics.h"

namespace server {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Seconds since 1970 at which the machine started.
double BootTime() {
  for (absl::string_view line :
       absl::StrSplit(ReadFile("/proc/stat"), '\n', absl::SkipEmpty())) {
    if (line.substr(0, 6) == "btime ") {
      return std::strtod(std::string(line.substr(6)).c_str(), nullptr);
    }
  }
  return 0;
}

void Append(absl::string_view name, absl::string_view type,
            absl::string_view help, double value, std::string* out) {
  absl::StrAppend(out, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type,
                  "\n", name, " ");
  AppendJsonNumber(value, out);
  out->push_back('\n');
}

}  // namespace

std::string ProcessMetricsText() {
  // /proc/self/stat: the second field is the program's name in parentheses,
  // which may hold anything; what follows the last ')' starts at field 3.
  const std::string stat = ReadFile("/proc/self/stat");
  const std::vector<std::string> fields = absl::StrSplit(
      stat.substr(std::min(stat.rfind(')') + 2, stat.size())), ' ');
  const auto field = [&](size_t number) {
    return number - 3 < fields.size()
               ? std::strtod(fields[number - 3].c_str(), nullptr)
               : 0.0;
  };
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  std::error_code error;
  const auto fds = std::distance(
      std::filesystem::directory_iterator("/proc/self/fd", error), {});
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);

  std::string out;
  Append("process_cpu_seconds_total", "counter",
         "User and system CPU time spent.", (field(14) + field(15)) / ticks,
         &out);
  Append("process_threads", "gauge", "Threads of the process.", field(20),
         &out);
  Append("process_virtual_memory_bytes", "gauge", "Virtual memory size.",
         field(23), &out);
  Append("process_resident_memory_bytes", "gauge", "Resident memory size.",
         field(24) * page, &out);
  Append("process_open_fds", "gauge", "Open file descriptors.",
         static_cast<double>(fds), &out);
  Append("process_max_fds", "gauge", "Limit of open file descriptors.",
         static_cast<double>(limit.rlim_cur), &out);
  Append("process_start_time_seconds", "gauge",
         "Start of the process in seconds since the epoch.",
         BootTime() + field(22) / ticks, &out);
  return out;
}

}  // namespace server
