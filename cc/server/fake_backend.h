// A backend for tests. Its model takes x, FP32 [-1,2], and gives y = 2x of the
// same shape and h, FP16 zeros. It can be held, to have requests running for
// as long as a test wants.
#ifndef CC_SERVER_FAKE_BACKEND_H_
#define CC_SERVER_FAKE_BACKEND_H_

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "cc/server/backend.h"

namespace server {

// Thread-safe.
class Gate {
 public:
  void Close() { Set(false); }
  void Open() { Set(true); }
  // Waits while the gate is closed.
  void Pass() {
    absl::MutexLock lock(&mutex_);
    ++waiting_;
    mutex_.Await(absl::Condition(&open_));
    --waiting_;
  }
  // Waits until so many wait at the gate.
  void AwaitWaiting(int count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return waiting_ >= count;
    };
    mutex_.Await(absl::Condition(&enough));
  }

 private:
  void Set(bool open) {
    absl::MutexLock lock(&mutex_);
    open_ = open;
  }

  absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

class FakeInstance : public Instance {
 public:
  explicit FakeInstance(Gate* gate) : gate_(gate) {}

  // An x that begins with -1 fails.
  absl::StatusOr<std::vector<engine::Tensor>> Run(
      const std::vector<engine::Tensor>& inputs) override {
    gate_->Pass();
    engine::Tensor y = inputs.at(0);
    y.name = "y";
    for (size_t at = 0; at < y.data.size(); at += sizeof(float)) {
      float value;
      std::memcpy(&value, y.data.data() + at, sizeof(value));
      if (at == 0 && value == -1) return absl::InternalError("it broke");
      value *= 2;
      std::memcpy(y.data.data() + at, &value, sizeof(value));
    }
    engine::Tensor h = {"h", engine::DataType::kFloat16, y.shape,
                        std::string(y.data.size() / 2, '\0')};
    return std::vector<engine::Tensor>{std::move(y), std::move(h)};
  }

 private:
  Gate* const gate_;
};

// Fails for a directory whose path holds "broken".
inline ModelLoader FakeLoader(int instances, Gate* gate) {
  return [=](const std::string& directory) -> absl::StatusOr<LoadedModel> {
    if (absl::StrContains(directory, "broken")) {
      return absl::DataLossError("model.pdiparams is cut off");
    }
    LoadedModel model;
    model.platform = "fake";
    model.inputs = {{"x", engine::DataType::kFloat32, {-1, 2}}};
    model.outputs = {{"y", engine::DataType::kFloat32, {-1, 2}},
                     {"h", engine::DataType::kFloat16, {-1, 2}}};
    for (int i = 0; i < instances; ++i) {
      model.instances.push_back(std::make_unique<FakeInstance>(gate));
    }
    return model;
  };
}

}  // namespace server

#endif  // CC_SERVER_FAKE_BACKEND_H_
