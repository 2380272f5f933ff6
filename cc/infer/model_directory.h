// Serves what lies in a directory of models (scan.h), and follows its changes:
// a new version is loaded beside the old one, which goes when the new one is
// ready; requests that hold the old one are still answered.
#ifndef CC_INFER_MODEL_DIRECTORY_H_
#define CC_INFER_MODEL_DIRECTORY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/loop.h"
#include "cc/infer/model.h"
#include "cc/infer/repository.h"
#include "cc/infer/scan.h"
#include "cc/infer/scanner.h"

namespace infer {

// What happens to the models of a directory, for metrics and the log.
class DirectoryObserver {
 public:
  virtual ~DirectoryObserver() = default;
  // Of a model that begins to load.
  virtual std::unique_ptr<ModelObserver> Observe(
      const ModelOptions& options) = 0;
  virtual void OnLoading(const ModelOptions& options, double seconds) = 0;
  virtual void OnLoaded(const std::shared_ptr<Model>& model,
                        double seconds) = 0;
  virtual void OnFailed(const ModelOptions& options,
                        const absl::Status& status) = 0;
  virtual void OnUnloaded(const ModelInfo& info) = 0;
  virtual void OnPassedOver(const std::string& why) = 0;
  virtual void OnScanFailed(const absl::Status& status) = 0;
};

struct DirectoryOptions {
  std::string directory;
  // Of each model the so many highest versions; 0: all.
  size_t latest = 0;
  // Exactly these versions, by the model's name; others as `latest` says.
  std::map<std::string, std::set<uint64_t>> versions;
  // Between two looks; zero: the directory is looked at once, at start.
  std::chrono::milliseconds poll{0};
  // Of versions that say nothing themselves; but for name, version and
  // directory.
  ModelOptions model;
  Scanner::Look look = [](const std::string& path) { return Scan(path); };
};

class ModelDirectory : public Repository {
 public:
  // All must outlive it.
  ModelDirectory(base::Loop* loop, Backend* backend,
                 DirectoryObserver* observer, DirectoryOptions options);
  ~ModelDirectory() override;

  // Begins to look for what is there and to load it. `settled` is called once,
  // later: when all is loaded, with what failed first, or, where there is
  // nothing to be loaded (Index is empty), with why.
  void Start(std::function<void(const absl::Status&)> settled);

  absl::StatusOr<std::shared_ptr<Servable>> Find(
      absl::string_view name, absl::string_view version) const override;
  std::vector<std::string> Versions(absl::string_view name) const override;
  std::vector<IndexEntry> Index() const override;
  bool ready() const override { return started_; }
  void Load(const std::string& name,
            std::function<void(const absl::Status&)> done) override;
  absl::Status Unload(const std::string& name) override;

 private:
  struct Version {
    std::shared_ptr<Model> serving;
    std::string serving_fingerprint;
    std::shared_ptr<Model> loading;
    std::string fingerprint;  // of what is loading, or was loaded last
    absl::Status failure;     // of the last load
    Clock::time_point since;  // the load began
    bool wanted = true;
  };
  using Versions_ = std::map<uint64_t, Version>;
  using Asked =
      std::pair<std::string, std::function<void(const absl::Status&)>>;

  // What of a model's versions is to be served.
  std::map<uint64_t, FoundVersion> Wanted(
      const std::string& name,
      const std::map<uint64_t, FoundVersion>& found) const;
  void Sync(const Found& found);
  void SyncModel(const std::string& name,
                 const std::map<uint64_t, FoundVersion>& wanted);
  void StartLoad(const std::string& name, uint64_t number,
                 const FoundVersion& found);
  void OnLoaded(const std::string& name, uint64_t number,
                const std::shared_ptr<Model>& model,
                const ModelOptions& options, const absl::Status& status);
  // It cannot be loaded.
  void Fail(const ModelOptions& options, const absl::Status& status,
            Version* version);
  // Lets go what is not wanted any more, where something wanted is ready.
  void Retire(const std::string& name);
  bool Settled(const Versions_& versions) const;
  void TellSettled();
  void Look();
  // A look for what Load was asked for; one at a time.
  void LookForAsked();
  void LoadAsked(const absl::StatusOr<Found>& found, const std::string& name,
                 std::function<void(const absl::Status&)> done);
  void OnFound(const absl::StatusOr<Found>& found);
  void Remind();

  base::Loop* const loop_;
  Backend* const backend_;
  DirectoryObserver* const observer_;
  const DirectoryOptions options_;
  std::map<std::string, Versions_> models_;
  std::set<std::string> unloaded_;
  bool started_ = false;
  std::function<void(const absl::Status&)> settled_;
  std::map<std::string, std::vector<std::function<void(const absl::Status&)>>>
      waiting_;               // for loads, by name
  std::vector<Asked> asked_;  // for loads, since the look for them began
  bool looks_for_asked_ = false;
  Found last_;  // what the last look has found
  std::set<std::string> passed_over_;
  std::string scan_failure_;  // of the last look; empty: none
  base::Timer poll_;
  base::Timer remind_;
  Scanner scanner_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace infer

#endif  // CC_INFER_MODEL_DIRECTORY_H_
