#include "cc/base/process_metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace base {
namespace {

std::string ReadAll(int fd) {
  std::string text;
  char bytes[4096];
  ssize_t n = 0;
  while ((n = pread(fd, bytes, sizeof(bytes),
                    static_cast<off_t>(text.size()))) > 0) {
    text.append(bytes, static_cast<size_t>(n));
  }
  return text;
}

double BootTime() {
  const int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const std::string text = ReadAll(fd);
  close(fd);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "btime ")) {
      return strtod(std::string(line.substr(6)).c_str(), nullptr);
    }
  }
  return 0;
}

std::optional<double> CountFds(DIR* directory) {
  if (directory == nullptr) return std::nullopt;
  rewinddir(directory);
  double count = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count > 0 ? std::optional(count) : std::nullopt;
}

void Append(absl::string_view name, MetricType type, absl::string_view help,
            std::optional<double> value, FamilySamples* out) {
  if (!value.has_value()) return;
  out->push_back(
      {std::string(name), std::string(help), type, {}, {{{}, *value, {}}}});
}

}  // namespace

ProcessMetrics::ProcessMetrics()
    : stat_(open("/proc/self/stat", O_RDONLY | O_CLOEXEC)),
      fds_(opendir("/proc/self/fd")),
      boot_time_(BootTime()) {}

ProcessMetrics::~ProcessMetrics() {
  if (stat_ >= 0) close(stat_);
  if (fds_ != nullptr) closedir(fds_);
}

FamilySamples ProcessMetrics::Read() {
  // The second field of stat is the program's name in parentheses, which may
  // hold anything; what follows the last ')' starts at field 3.
  const std::string stat = stat_ >= 0 ? ReadAll(stat_) : "";
  const std::vector<std::string> fields = absl::StrSplit(
      stat.substr(std::min(stat.rfind(')') + 2, stat.size())), ' ');
  const auto field = [&](size_t number, double scale = 1,
                         double offset = 0) -> std::optional<double> {
    if (number - 3 >= fields.size()) return std::nullopt;
    return strtod(fields[number - 3].c_str(), nullptr) * scale + offset;
  };
  const double tick = 1 / static_cast<double>(sysconf(_SC_CLK_TCK));
  const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  const auto user = field(14, tick);
  const auto system = field(15, tick);
  rlimit limit{};
  const bool limited = getrlimit(RLIMIT_NOFILE, &limit) == 0;

  FamilySamples out;
  Append("process_cpu_seconds_total", MetricType::kCounter,
         "User and system CPU time spent.",
         user && system ? std::optional(*user + *system) : std::nullopt, &out);
  Append("process_threads", MetricType::kGauge, "Threads of the process.",
         field(20), &out);
  Append("process_virtual_memory_bytes", MetricType::kGauge,
         "Virtual memory size.", field(23), &out);
  Append("process_resident_memory_bytes", MetricType::kGauge,
         "Resident memory size.", field(24, page), &out);
  Append("process_open_fds", MetricType::kGauge, "Open file descriptors.",
         CountFds(fds_), &out);
  Append("process_max_fds", MetricType::kGauge,
         "Limit of open file descriptors.",
         limited ? std::optional(static_cast<double>(limit.rlim_cur))
                 : std::nullopt,
         &out);
  Append("process_start_time_seconds", MetricType::kGauge,
         "Start of the process in seconds since the epoch.",
         boot_time_ > 0 ? field(22, tick, boot_time_) : std::nullopt, &out);
  return out;
}

}  // namespace base
