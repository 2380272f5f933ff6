// Models for tests of what stands above them. A fake takes x, FP32 [-1,2], and
// gives y = 2x of the same shape and h, FP16 zeros; or whatever a test says.
#ifndef CC_INFER_FAKE_SERVABLE_H_
#define CC_INFER_FAKE_SERVABLE_H_

#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/infer/repository.h"
#include "cc/infer/servable.h"

namespace infer {

inline ModelInfo FakeInfo(std::string name, std::string version) {
  ModelInfo info;
  info.name = std::move(name);
  info.version = std::move(version);
  info.platform = "fake";
  info.inputs = {{"x", base::DataType::kFloat32, {-1, 2}}};
  info.outputs = {{"y", base::DataType::kFloat32, {-1, 2}},
                  {"h", base::DataType::kFloat16, {-1, 2}}};
  info.max_batch_size = 4;
  return info;
}

// Holds the calls that it gets until it is told to run them.
class FakeServable : public Servable {
 public:
  using Run =
      std::function<absl::StatusOr<std::vector<Tensor>>(const Request&)>;

  explicit FakeServable(ModelInfo info, Run run = Double)
      : info_(std::move(info)), run_(std::move(run)) {}

  const ModelInfo& info() const override { return info_; }
  absl::Status Ready() const override { return ready_; }
  void set_ready(absl::Status ready) { ready_ = std::move(ready); }
  void Start(std::shared_ptr<Call> call) override {
    waiting_.push_back(std::move(call));
  }

  // Runs what waits, but for what is cancelled; the number of those that ran.
  int RunAll() {
    int ran = 0;
    while (!waiting_.empty()) {
      const std::shared_ptr<Call> call = std::move(waiting_.front());
      waiting_.pop_front();
      if (call->cancelled()) continue;
      ++ran;
      call->timing.queue = std::chrono::microseconds(10);
      call->timing.compute = std::chrono::microseconds(20);
      call->timing.batch_rows = 1;
      call->timing.batch_calls = 1;
      auto outputs = run_(call->request);
      if (!outputs.ok()) {
        call->Finish(outputs.status());
      } else {
        call->Finish(absl::OkStatus(), Select(call->request, *outputs));
      }
    }
    return ran;
  }
  // Finishes the oldest that waits, which is not run.
  void Fail(const absl::Status& status) {
    const std::shared_ptr<Call> call = std::move(waiting_.front());
    waiting_.pop_front();
    call->Finish(status);
  }
  const std::deque<std::shared_ptr<Call>>& waiting() const { return waiting_; }

  // An x that begins with -1 fails.
  static absl::StatusOr<std::vector<Tensor>> Double(const Request& request) {
    const Tensor& x = request.inputs.at(0);
    std::string data(x.data);
    for (size_t at = 0; at < data.size(); at += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, data.data() + at, sizeof(value));
      if (at == 0 && value == -1) return absl::InternalError("it broke");
      value *= 2;
      std::memcpy(data.data() + at, &value, sizeof(value));
    }
    const std::string zeros(data.size() / 2, '\0');
    return std::vector<Tensor>{
        {"y", x.dtype, x.shape, absl::Cord(std::move(data))},
        {"h", base::DataType::kFloat16, x.shape, absl::Cord(zeros)}};
  }

 private:
  static std::vector<Tensor> Select(const Request& request,
                                    const std::vector<Tensor>& outputs) {
    if (request.outputs.empty()) return outputs;
    std::vector<Tensor> selected;
    for (const std::string& name : request.outputs) {
      for (const Tensor& output : outputs) {
        if (output.name == name) selected.push_back(output);
      }
    }
    return selected;
  }

  const ModelInfo info_;
  const Run run_;
  absl::Status ready_;
  std::deque<std::shared_ptr<Call>> waiting_;
};

class FakeRepository : public Repository {
 public:
  void Add(std::shared_ptr<Servable> servable) {
    const ModelInfo& info = servable->info();
    models_[info.name][info.version] = std::move(servable);
  }
  void Remove(const std::string& name) { models_.erase(name); }
  void set_ready(bool ready) { ready_ = ready; }

  absl::StatusOr<std::shared_ptr<Servable>> Find(
      absl::string_view name, absl::string_view version) const override {
    const auto model = models_.find(std::string(name));
    if (model == models_.end()) {
      return absl::NotFoundError(absl::StrCat("unknown model \"", name, "\""));
    }
    if (version.empty()) return model->second.rbegin()->second;
    const auto found = model->second.find(std::string(version));
    if (found == model->second.end()) {
      return absl::NotFoundError(
          absl::StrCat("model \"", name, "\" has no version ", version));
    }
    return found->second;
  }
  std::vector<std::string> Versions(absl::string_view name) const override {
    std::vector<std::string> versions;
    const auto model = models_.find(std::string(name));
    if (model == models_.end()) return versions;
    for (const auto& [version, servable] : model->second) {
      versions.push_back(version);
    }
    return versions;
  }
  std::vector<IndexEntry> Index() const override {
    std::vector<IndexEntry> index;
    for (const auto& [name, versions] : models_) {
      for (const auto& [version, servable] : versions) {
        index.push_back({name, version, State::kReady, ""});
      }
    }
    index.push_back({"other", "3", State::kFailed, "it is \"damaged\""});
    return index;
  }
  bool ready() const override { return ready_; }
  void Load(const std::string& name,
            std::function<void(const absl::Status&)> done) override {
    loads_.emplace_back(name, std::move(done));
  }
  absl::Status Unload(const std::string& name) override {
    if (models_.erase(name) > 0) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("unknown model \"", name, "\""));
  }
  // Ends the oldest load.
  void FinishLoad(const absl::Status& status) {
    auto [name, done] = std::move(loads_.front());
    loads_.pop_front();
    done(status);
  }
  const std::deque<
      std::pair<std::string, std::function<void(const absl::Status&)>>>&
  loads() const {
    return loads_;
  }

 private:
  std::deque<std::pair<std::string, std::function<void(const absl::Status&)>>>
      loads_;
  std::map<std::string, std::map<std::string, std::shared_ptr<Servable>>>
      models_;
  bool ready_ = true;
};

}  // namespace infer

#endif  // CC_INFER_FAKE_SERVABLE_H_
