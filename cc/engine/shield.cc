#include "cc/engine/shield.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/freed_memory.h"
#include "paddle_inference_api.h"

namespace engine {
namespace {

// Paddle's own number.
constexpr size_t kShapes = 10;

// One shape's objects are small, or the buffers of all convolutions: PP-OCRv4's
// recogniser holds 310 MB for six lines of 960 pixels.
constexpr int64_t kHeldBytes = 128 << 20;

// Of the process, without what runs have freed and the next will have. 0: the
// system does not tell.
int64_t UsedBytes() {
  int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE) -
         static_cast<int64_t>(base::FreedBytes());
}

// What Paddle itself makes of the shapes where the cache has a bound. Without
// it one key would serve all shapes, and recurrent layers overrun their memory.
[[maybe_unused]] std::string ShapesText(
    const std::vector<std::vector<int>>& shapes) {
  std::string text;
  for (const std::vector<int>& shape : shapes) {
    for (int dim : shape) absl::StrAppend(&text, dim, "-");
  }
  return text;
}

}  // namespace

absl::Status Enduring(Thread* thread, const std::function<void()>& f) {
  if (Thread::Number() != 0) {
    f();
  } else if (!thread->Run(f)) {
    return absl::ResourceExhaustedError(
        "the engine needs a thread, and the system gives none: is there a "
        "limit of processes (pids) that others have reached?");
  }
  return absl::OkStatus();
}

void TellShapes([[maybe_unused]] const std::vector<std::vector<int>>& shapes) {
#if defined(__x86_64__)  // as kHasOneDnn: without oneDNN there is no such
                         // symbol
  phi::OneDNNContextThreadLocals::fetch().set_cur_input_shape_str(
      absl::StrCat(ShapesText(shapes), "/", Thread::Number()));
#endif
}

bool Shield::IsFull(const std::vector<std::vector<int>>& shapes,
                    const std::vector<Lod>& lods) const {
  const auto met = met_.find(shapes);
  if (met != met_.end()) return met->second != lods;
  return met_.size() == kShapes || HoldsMuch();
}

bool Shield::HoldsMuch() const { return held_ >= kHeldBytes; }

bool Shield::HasMoved() const {
  return thread_ != 0 && thread_ != Thread::Number();
}

void Shield::Begin(const std::vector<std::vector<int>>& shapes,
                   std::vector<Lod> lods) {
  thread_ = Thread::Number();
  const bool is_new = met_.emplace(shapes, std::move(lods)).second;
  before_ = is_new ? std::optional(UsedBytes()) : std::nullopt;
  TellShapes(shapes);
}

void Shield::End() {
  if (before_) held_ += std::max<int64_t>(0, UsedBytes() - *before_);
}

}  // namespace engine
