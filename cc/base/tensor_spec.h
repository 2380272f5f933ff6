// What a model says of its inputs and outputs.
#ifndef CC_BASE_TENSOR_SPEC_H_
#define CC_BASE_TENSOR_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cc/base/data_type.h"

namespace base {

// Paddle's LoD (level of detail), for sequences of unequal length in one tensor
// without padding. Each level is a list of offsets, from 0 on: the last level
// cuts the tensor's rows (first dimension) into sequences, the one before it
// cuts those sequences into groups, and so on. {{0, 2, 5}}: two sequences, of
// rows 0 and 1 and of rows 2 to 4. Empty: none.
using Lod = std::vector<std::vector<int64_t>>;

// The values that the elements of an input may have, both ends included: what a
// table that they are looked up in has rows for.
struct ValueRange {
  int64_t min = 0;
  int64_t max = 0;
  // What it comes from: "row of an embedding table of 1000 rows".
  std::string reason = {};
};

// An input or output as the model declares it.
struct TensorSpec {
  std::string name;
  DataType dtype = DataType::kFloat32;
  std::vector<int64_t> shape;  // -1: variable
  int lod_level = 0;           // levels of offsets; 0: no LoD
  std::optional<ValueRange> range = std::nullopt;
};

}  // namespace base

#endif  // CC_BASE_TENSOR_SPEC_H_
