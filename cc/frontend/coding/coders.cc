#include "cc/frontend/coding/coders.h"

#include <utility>

namespace coding {
namespace {

// Each holds its input, what has become of it, and zlib's memory.
constexpr size_t kMostActive = 64;
// Of a millisecond, on the loop; and in milliseconds, on the thread.
constexpr size_t kLoopShare = 4;
constexpr size_t kTurn = 4;

}  // namespace

struct Coders::Task {
  std::unique_ptr<Coder> coder;
  Wanted wanted;
  Done done;
  absl::StatusOr<bool> result = false;
};

Coders::Coders(base::Loop* loop, base::ByteBudget* budget)
    : loop_(loop), budget_(budget), pool_(http::BlockPool::Make(budget)) {}

Coders::~Coders() = default;

void Coders::Inflate(Coding coding, const absl::Cord& in, size_t max_bytes,
                     Wanted wanted, Done done) {
  Start(std::make_unique<Inflater>(coding, in, max_bytes, pool_, budget_),
        std::move(wanted), std::move(done));
}

void Coders::Deflate(Coding coding, const absl::Cord& in, Wanted wanted,
                     Done done) {
  Start(std::make_unique<Deflater>(coding, in, pool_, budget_),
        std::move(wanted), std::move(done));
}

void Coders::Start(std::unique_ptr<Coder> coder, Wanted wanted, Done done) {
  const auto task = std::make_shared<Task>();
  task->coder = std::move(coder);
  task->wanted = std::move(wanted);
  task->done = std::move(done);
  task->result =
      task->coder->Step(task->coder->BytesPerMillisecond() / kLoopShare);
  if (Finish(task.get())) return;
  if (active_ >= kMostActive) {
    return task->done(absl::ResourceExhaustedError(
        "too much that is compressed, or is to be, waits just now"));
  }
  ++active_;
  if (!helper_) helper_.emplace(loop_, kMostActive);
  GoOn(task);
}

void Coders::GoOn(const std::shared_ptr<Task>& task) {
  const auto work = [task] {
    // Until it is done, which takes memory.
    task->result = absl::ResourceExhaustedError(
        "the server has no memory for what is compressed just now");
    task->result =
        task->coder->Step(task->coder->BytesPerMillisecond() * kTurn);
  };
  const auto done = [this, alive = std::weak_ptr<const bool>(alive_), task] {
    if (alive.expired()) return;
    if (task->wanted() && task->result.ok() && !*task->result) {
      return GoOn(task);
    }
    --active_;
    if (task->wanted()) Finish(task.get());
  };
  if (helper_->Run(work, done)) return;
  --active_;
  task->done(absl::ResourceExhaustedError(
      "the server has no thread for what is compressed just now"));
}

bool Coders::Finish(Task* task) {
  if (task->result.ok() && !*task->result) return false;
  if (task->result.ok()) {
    task->done(task->coder->Take());
  } else {
    task->done(task->result.status());
  }
  return true;
}

}  // namespace coding
