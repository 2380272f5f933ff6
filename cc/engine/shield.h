// Keeps instances from what Paddle does to its oneDNN cache.
#ifndef CC_ENGINE_SHIELD_H_
#define CC_ENGINE_SHIELD_H_

#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <streambuf>
#include <vector>

#include "absl/status/status.h"
#include "cc/engine/tensor.h"
#include "cc/engine/thread.h"

namespace engine {

// The shield (where oneDNN computes) against what Paddle, 2.6.2 and 3.2.2, does
// to its oneDNN cache, which is one for the process (docs/engine.md, "What
// Paddle's cache does not bear"):
//
// - a thread that ends erases objects of the instance that it ran last, and
//   leaves those of others behind, which a later thread of the same id takes
//   for its own. So all that touches Paddle runs in threads that never end.
// - a load erases everything. So no model runs while one is loaded.
// - beyond a number of shapes the objects of one shape are erased, of all
//   instances; and with such a number given, each run counts all objects at its
//   end, without a lock, while others add theirs. So none is given, the shapes
//   that objects are found by are told by hand (TellShapes), and an instance
//   that has met kShapes, or whose memory has grown by kHeldBytes with them,
//   replaces itself by a clone, whose cache is empty. So
//   does one that comes to run in another thread, as after a fork. With Paddle
//   3 no clone may end (family.h): there such an instance runs once in a thread
//   that ends, and takes all objects of the instance with it.
// - a thread of a child, after a fork, may have the id of one of its parent's,
//   and take objects for its own that compute with memory of that thread
//   ("could not execute a primitive"). So a thread's number, which no other
//   has, is told with the shapes that objects are found by.
// - objects of recurrent layers are found by the shapes of the inputs and the
//   longest sequence, and made for a number of sequences. So an instance that
//   meets a shape again with other offsets (LoD) replaces itself too.

// Calls f, which throws nothing, in a thread that never ends: the caller's if
// it is one, else `thread`. RESOURCE_EXHAUSTED: there is no thread to be had.
absl::Status Enduring(Thread* thread, const std::function<void()>& f);

// Tells Paddle the shapes of the inputs that this thread runs next, and which
// thread it is.
void TellShapes(const std::vector<std::vector<int>>& shapes);

// What an instance has met.
class Shield {
 public:
  // Whether the instance's objects must go for it to run inputs of these
  // shapes, with these offsets.
  bool IsFull(const std::vector<std::vector<int>>& shapes,
              const std::vector<Lod>& lods) const;
  // Whether these objects have made the process much larger.
  bool HoldsMuch() const;
  // Whether it ran in another thread.
  bool HasMoved() const;
  // It has no objects any more.
  void Forget() {
    met_.clear();
    held_ = 0;
  }
  // It runs now.
  void Begin(const std::vector<std::vector<int>>& shapes,
             std::vector<Lod> lods);
  // It has run well.
  void End();

 private:
  // Shapes of inputs that Paddle may hold objects for, with their offsets.
  std::map<std::vector<std::vector<int>>, std::vector<Lod>> met_;
  uint64_t thread_ = 0;  // that it ran in; 0: it did not run
  int64_t held_ = 0;     // bytes by which the process grew with new shapes
  std::optional<int64_t> before_;  // what it had; none: the shape was met
};

// Throws away what this process writes to std::cerr while it lives. The passes
// that make an int8 graph tell there, in colours, of each kind of operator that
// they found none of, whatever DisableGlogInfo says; nothing of ours, and
// nothing else of Paddle's, writes to std::cerr. One at a time. What other
// threads of the process write there meanwhile is lost with it.
class SilentCerr {
 public:
  SilentCerr() : buffer_(std::cerr.rdbuf(nullptr)) {}
  ~SilentCerr() { std::cerr.rdbuf(buffer_); }
  SilentCerr(const SilentCerr&) = delete;
  SilentCerr& operator=(const SilentCerr&) = delete;

 private:
  std::streambuf* const buffer_;
};

}  // namespace engine

#endif  // CC_ENGINE_SHIELD_H_
