#include "cc/worker/segment.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace worker {
namespace {

// Steps in which segments are sized: a page, so that little is lost.
constexpr size_t kPage = 4096;

}  // namespace

absl::StatusOr<std::unique_ptr<Segment>> Segment::Create(size_t size) {
  size = (size + kPage - 1) / kPage * kPage;
  Fd fd(memfd_create("paddle_server", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.open()) return absl::ErrnoToStatus(errno, "memfd_create");
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0 ||
      fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot share ", size, " bytes of memory"));
  }
  void* const data =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot map ", size, " bytes of memory"));
  }
  return std::unique_ptr<Segment>(
      new Segment(std::move(fd), static_cast<char*>(data), size));
}

absl::StatusOr<std::unique_ptr<Segment>> Segment::Open(const Fd& fd,
                                                       bool writable) {
  struct stat status;
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 ||
      fstat(fd.get(), &status) != 0 || status.st_size <= 0) {
    return absl::InternalError("memory that another process could take away");
  }
  const size_t size = static_cast<size_t>(status.st_size);
  void* const data =
      mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
           MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot map ", size, " bytes of memory"));
  }
  return std::unique_ptr<Segment>(
      new Segment(Fd(), static_cast<char*>(data), size));
}

Segment::~Segment() { munmap(data_, size_); }

void Segment::Discard() {
  fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
            static_cast<off_t>(size_));
}

}  // namespace worker
