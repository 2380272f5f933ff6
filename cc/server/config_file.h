// A file of settings: YAML, `max_queue: 64` a line.
#ifndef CC_SERVER_CONFIG_FILE_H_
#define CC_SERVER_CONFIG_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace server {

struct Setting {
  std::string name;
  std::vector<std::string> values;  // one, but for a list
  bool list = false;
  std::string place;  // "FILE:LINE"
};

// The settings of a file, one mapping of names to values and lists of values,
// in their order. INVALID_ARGUMENT: it is nothing such, is larger than 1 MiB,
// or has a name twice; NOT_FOUND: it cannot be read. Messages have file and
// line.
absl::StatusOr<std::vector<Setting>> ReadConfigFile(const std::string& path);

// A value, or a list of them in brackets, as such a file has it.
std::string ConfigValue(const std::vector<std::string>& values, bool list);

}  // namespace server

#endif  // CC_SERVER_CONFIG_FILE_H_
