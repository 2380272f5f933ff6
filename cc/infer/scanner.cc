#include "cc/infer/scanner.h"

#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace infer {

// With the threads, which may outlive everything else here.
struct Scanner::Shared {
  explicit Shared(base::Loop* loop) : loop(loop) {}

  absl::Mutex mutex;
  base::Loop* loop ABSL_GUARDED_BY(mutex);  // nullptr: the scanner is gone

  bool gone() {
    absl::MutexLock lock(&mutex);
    return loop == nullptr;
  }
};

Scanner::Scanner(base::Loop* loop, Look look, std::string directory)
    : look_(std::move(look)),
      directory_(std::move(directory)),
      shared_(std::make_shared<Shared>(loop)) {}

Scanner::~Scanner() {
  absl::MutexLock lock(&shared_->mutex);
  shared_->loop = nullptr;
}

bool Scanner::Start(Done done) {
  try {
    std::thread([shared = shared_, look = look_, directory = directory_,
                 done = std::move(done)]() mutable {
      absl::StatusOr<Found> found = absl::ResourceExhaustedError(
          absl::StrCat("no memory to look into ", directory));
      try {
        found = look(directory);
      } catch (const std::bad_alloc&) {
        // The next look may find some.
      }
      absl::MutexLock lock(&shared->mutex);
      if (shared->loop == nullptr) return;
      shared->loop->Post(
          [shared, done = std::move(done), found = std::move(found)] {
            if (!shared->gone()) done(found);
          });
    }).detach();
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

}  // namespace infer
