// What a model takes, and whether a run's inputs are that.
#ifndef CC_ENGINE_INPUTS_H_
#define CC_ENGINE_INPUTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/values.h"
#include "cc/engine/openvino.h"
#include "cc/engine/program.h"
#include "cc/engine/tensor.h"

namespace engine {

// What an instance and its clones know of their model.
struct Model {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::vector<bool> shareable;                // Signature::shareable
  std::vector<base::ValueCheck> checks;       // beside the ranges of the inputs
  std::map<std::string, std::string> guards;  // Guarded::errors
  bool gpu = false;
  bool onednn = false;                      // and so the shield
  std::shared_ptr<OpenVinoPlace> openvino;  // null: it is not used
};

// The names, types and shapes of a program's inputs or outputs. They are taken
// from the program and not from the predictor, which throws where an output is
// BOOL. INVALID_ARGUMENT: a type that is not served.
absl::StatusOr<std::vector<TensorSpec>> Specs(
    const std::string& end, const std::vector<NamedTensor>& tensors);

// Moves the checks that hold for all of an input, in every run, into the specs'
// ranges (the intersection, where there are several). Returns the others.
std::vector<base::ValueCheck> FillRanges(std::vector<base::ValueCheck> checks,
                                         std::vector<TensorSpec>* specs);

// The inputs of a run in the order of the specs, and their shapes as Paddle
// takes them.
struct Checked {
  std::vector<const TensorView*> inputs;
  std::vector<std::vector<int>> shapes;
};

// INVALID_ARGUMENT: see Engine::Run.
absl::StatusOr<Checked> Check(const Model& model,
                              const std::vector<TensorView>& inputs);

}  // namespace engine

#endif  // CC_ENGINE_INPUTS_H_
