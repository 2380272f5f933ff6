// What metadata.json beside a model says of its inputs' values.
#ifndef CC_ENGINE_METADATA_H_
#define CC_ENGINE_METADATA_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "cc/engine/tensor.h"

namespace engine {

// Narrows the ranges of inputs to those of a metadata.json:
//   {"inputs": [{"name": "ids", "range": [0, 999]}]}
// INVALID_ARGUMENT, without the file's name: a range that is none, that is
// wider than the program bears, or of no input. DATA_LOSS: it is no JSON.
absl::Status NarrowRanges(std::string_view metadata,
                          std::vector<TensorSpec>* inputs);

// The same with the file in the model's directory, where there is one.
absl::Status NarrowRangesByFile(const std::string& model_dir,
                                std::vector<TensorSpec>* inputs);

}  // namespace engine

#endif  // CC_ENGINE_METADATA_H_
