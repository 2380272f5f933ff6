// A file of whoever runs a command.
#ifndef CC_SERVER_READ_FILE_H_
#define CC_SERVER_READ_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace server {

// All of it. NOT_FOUND: it cannot be read, or is a directory.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace server

#endif  // CC_SERVER_READ_FILE_H_
