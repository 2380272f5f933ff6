// Looks at a directory of models in a thread, which nobody waits for: on a
// network's file system a look may take long, or never end.
#ifndef CC_INFER_SCANNER_H_
#define CC_INFER_SCANNER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cc/base/loop.h"
#include "cc/infer/scan.h"

namespace infer {

// On the loop's thread.
class Scanner {
 public:
  // Scan, or what a test has in its place. Called on other threads.
  using Look = std::function<absl::StatusOr<Found>(const std::string&)>;
  using Done = std::function<void(const absl::StatusOr<Found>&)>;

  // The loop must outlive it.
  Scanner(base::Loop* loop, Look look, std::string directory);
  // Nothing is told any more. A thread that still looks is left to itself.
  ~Scanner();
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  // Calls `done` later. False where there is no thread to be had.
  bool Start(Done done);

 private:
  struct Shared;

  const Look look_;
  const std::string directory_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace infer

#endif  // CC_INFER_SCANNER_H_
