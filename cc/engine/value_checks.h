// Holds the values of a run's inputs to what FindValueChecks has found.
#ifndef CC_ENGINE_VALUE_CHECKS_H_
#define CC_ENGINE_VALUE_CHECKS_H_

#include <vector>

#include "absl/status/status.h"
#include "cc/engine/program.h"
#include "cc/engine/tensor.h"

namespace engine {

// Moves the checks that hold for all of an input, in every run, into the specs'
// ranges (the intersection, where there are several). Returns the others.
std::vector<ValueCheck> FillRanges(std::vector<ValueCheck> checks,
                                   std::vector<TensorSpec>* specs);

// INVALID_ARGUMENT that names the input, if one of the others fails. inputs[i]
// belongs to the i-th spec, and fits it.
absl::Status CheckRun(const std::vector<ValueCheck>& checks,
                      const std::vector<TensorSpec>& specs,
                      const std::vector<const TensorView*>& inputs);

}  // namespace engine

#endif  // CC_ENGINE_VALUE_CHECKS_H_
