// What the server needs of an engine. The server knows models only by this
// header; paddle_backend.h is the one implementation, and tests bring a fake.
#ifndef CC_SERVER_BACKEND_H_
#define CC_SERVER_BACKEND_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cc/engine/tensor.h"

namespace server {

// Runs one request at a time; used by one thread only.
class Instance {
 public:
  virtual ~Instance() = default;
  virtual absl::StatusOr<std::vector<engine::Tensor>> Run(
      const std::vector<engine::Tensor>& inputs) = 0;
};

struct LoadedModel {
  std::string platform;
  std::vector<engine::TensorSpec> inputs;
  std::vector<engine::TensorSpec> outputs;
  std::vector<std::unique_ptr<Instance>> instances;  // share the weights
};

// Loads the model in a directory. Errors name the file and the cure.
using ModelLoader =
    std::function<absl::StatusOr<LoadedModel>(const std::string& directory)>;

}  // namespace server

#endif  // CC_SERVER_BACKEND_H_
