// A file that has a path, and lies on no disk.
#ifndef CC_ENGINE_MEMORY_FILE_H_
#define CC_ENGINE_MEMORY_FILE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace engine {

// Gone with this object. Its path is this process's own.
class MemoryFile {
 public:
  static absl::StatusOr<MemoryFile> Of(std::string_view bytes) {
    MemoryFile file(memfd_create("program", MFD_CLOEXEC));
    while (file.fd_ >= 0 && !bytes.empty()) {
      const ssize_t written = write(file.fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) break;
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    if (file.fd_ < 0 || !bytes.empty()) {
      return absl::ErrnoToStatus(errno, "a file in memory cannot be made");
    }
    return file;
  }

  MemoryFile(MemoryFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  MemoryFile& operator=(MemoryFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~MemoryFile() {
    if (fd_ >= 0) close(fd_);
  }

  std::string path() const { return absl::StrCat("/proc/self/fd/", fd_); }

 private:
  explicit MemoryFile(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace engine

#endif  // CC_ENGINE_MEMORY_FILE_H_
