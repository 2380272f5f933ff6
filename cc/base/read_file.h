// A small file, as a whole.
#ifndef CC_BASE_READ_FILE_H_
#define CC_BASE_READ_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace base {

// All of it. NOT_FOUND: it cannot be read, or is a directory. INVALID_ARGUMENT:
// it has more than `most` bytes, which are not read.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most);

}  // namespace base

#endif  // CC_BASE_READ_FILE_H_
