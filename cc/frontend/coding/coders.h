// Compresses and decompresses beside the loop: what is small at once, what is
// larger on a thread of its own, one piece of each in turn, so that nobody
// waits long for what another one has sent.
#ifndef CC_FRONTEND_CODING_CODERS_H_
#define CC_FRONTEND_CODING_CODERS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "cc/base/byte_budget.h"
#include "cc/base/helper_thread.h"
#include "cc/base/loop.h"
#include "cc/frontend/coding/coder.h"
#include "cc/frontend/coding/coding.h"
#include "cc/frontend/http/block.h"

namespace coding {

// On the loop's thread.
class Coders {
 public:
  // Of what is shorter, both forms fit one packet of a network.
  static constexpr size_t kLeastCompressed = 1400;

  // Whether anybody still waits.
  using Wanted = std::function<bool()>;
  // Called once, also at once, unless it is not wanted any more or the coders
  // go. Errors as those of the coder; RESOURCE_EXHAUSTED also where too many
  // wait.
  using Done = std::function<void(absl::StatusOr<absl::Cord>)>;

  // Both outlive it.
  Coders(base::Loop* loop, base::ByteBudget* budget);
  ~Coders();

  void Inflate(Coding coding, const absl::Cord& in, size_t max_bytes,
               Wanted wanted, Done done);
  void Deflate(Coding coding, const absl::Cord& in, Wanted wanted, Done done);

 private:
  struct Task;
  void Start(std::unique_ptr<Coder> coder, Wanted wanted, Done done);
  void GoOn(const std::shared_ptr<Task>& task);
  // Whether it has come to an end, which it tells.
  static bool Finish(Task* task);

  base::Loop* const loop_;
  base::ByteBudget* const budget_;
  const std::shared_ptr<http::BlockPool> pool_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
  size_t active_ = 0;                         // tasks of the thread
  std::optional<base::HelperThread> helper_;  // from the first one on
};

}  // namespace coding

#endif  // CC_FRONTEND_CODING_CODERS_H_
