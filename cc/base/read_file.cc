#include "cc/base/read_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace base {

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(most + 1, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) &&
      !file.eof()) {
    return absl::NotFoundError(absl::StrCat(
        path, " cannot be read: ", strerror(errno != 0 ? errno : EIO)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is larger than ", most, " bytes"));
  }
  return text;
}

}  // namespace base
