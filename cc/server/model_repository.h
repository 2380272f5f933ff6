// The models that are served: a directory REPOSITORY/NAME/VERSION/ a version,
// VERSION a positive decimal number. All versions are loaded, once, at start.
#ifndef CC_SERVER_MODEL_REPOSITORY_H_
#define CC_SERVER_MODEL_REPOSITORY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/server/backend.h"
#include "cc/server/protocol.h"
#include "cc/server/scheduler.h"

namespace server {

// One version of a model. Thread-safe.
class Model {
 public:
  Model(ModelInfo info, std::vector<std::unique_ptr<Instance>> instances,
        size_t max_queue)
      : info_(std::move(info)), scheduler_(std::move(instances), max_queue) {}

  const ModelInfo& info() const { return info_; }
  Scheduler& scheduler() const { return scheduler_; }

 private:
  const ModelInfo info_;
  mutable Scheduler scheduler_;
};

// Unchanged from Load to Stop, hence thread-safe between them.
class ModelRepository {
 public:
  // Loads every version of every model in `directory`; one that cannot be
  // loaded fails the whole. Directories that hold no model, as lost+found where
  // a file system begins, are passed over.
  static absl::StatusOr<ModelRepository> Load(const std::string& directory,
                                              const ModelLoader& loader,
                                              size_t max_queue);

  // Stops the models' threads, see Scheduler::Stop: what their tasks refer to
  // may be destroyed afterwards.
  void Stop();

  // An empty version means the highest. NOT_FOUND says what there is.
  absl::StatusOr<const Model*> Find(absl::string_view name,
                                    absl::string_view version) const;
  // Versions of a model that Find has found, lowest first.
  std::vector<std::string> Versions(absl::string_view name) const;
  // The directories that were passed over: a sentence each.
  const std::vector<std::string>& passed_over() const { return passed_over_; }
  // All, by name and version.
  std::vector<const Model*> All() const;

 private:
  using VersionMap = std::map<uint64_t, std::unique_ptr<Model>>;
  std::map<std::string, VersionMap> models_;
  std::vector<std::string> passed_over_;
};

}  // namespace server

#endif  // CC_SERVER_MODEL_REPOSITORY_H_
