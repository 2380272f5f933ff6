// The models that are served, by name and version.
#ifndef CC_INFER_REPOSITORY_H_
#define CC_INFER_REPOSITORY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/infer/servable.h"

namespace infer {

enum class State { kLoading, kReady, kUnloading, kFailed };

// "READY"
absl::string_view NameOf(State state);

struct IndexEntry {
  std::string name;
  std::string version;
  State state;
  std::string reason;  // why it is not ready, as far as it is known
};

// Of a parameter that a client gives with a load or an unload: UNIMPLEMENTED
// for what would change the model.
absl::Status CheckControlParameter(absl::string_view name);

// On the loop's thread.
class Repository {
 public:
  virtual ~Repository() = default;

  // See Core::Find.
  virtual absl::StatusOr<std::shared_ptr<Servable>> Find(
      absl::string_view name, absl::string_view version) const = 0;
  // Versions of a model that are ready, lowest first.
  virtual std::vector<std::string> Versions(absl::string_view name) const = 0;
  // All that is or should be served, by name and version.
  virtual std::vector<IndexEntry> Index() const = 0;
  // Whether everything that was found at the start is loaded.
  virtual bool ready() const = 0;

  // Loads what there is of a model anew, where it was unloaded or has changed;
  // `done` is called once, later: NOT_FOUND where there is none of that name.
  virtual void Load(const std::string& name,
                    std::function<void(const absl::Status&)> done) = 0;
  // Serves none of its versions until it is loaded. NOT_FOUND where it is not
  // served.
  virtual absl::Status Unload(const std::string& name) = 0;
};

}  // namespace infer

#endif  // CC_INFER_REPOSITORY_H_
