// Reads an exported program (model.pdmodel) without Paddle and without
// protobuf, whose copy inside libpaddle must not be met by another one.
#ifndef CC_ENGINE_PROGRAM_H_
#define CC_ENGINE_PROGRAM_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace engine {

// A tensor as a program or a parameter file describes it.
struct TensorDesc {
  int data_type = -1;  // Paddle's VarType.Type: base::ProgramTypeOf
  std::vector<int64_t> dims;
};

// Parses a serialized VarType.TensorDesc; nullopt if it is damaged.
std::optional<TensorDesc> ParseTensorDesc(std::string_view bytes);

struct NamedTensor {
  std::string name;
  TensorDesc desc;
  int lod_level = 0;
};

// A part of a tensor along one axis: [begin, end).
struct Part {
  size_t axis = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

// What the values of an input must be, lest a kernel reads or writes beside a
// tensor: from `min` to `max`, both included.
struct ValueCheck {
  size_t input = 0;
  int64_t min = 0;
  int64_t max = 0;
  // Where it is set, `max` counts from the size that this dimension of another
  // input, or the same, has in the run.
  struct Dimension {
    size_t input = 0;
    size_t axis = 0;
  };
  std::optional<Dimension> of = std::nullopt;
  std::vector<Part> parts = {};  // of the input; empty: all of it
  std::string reason = {};       // "row of an embedding table of 1000 rows"
};

// What a program wants and gives.
struct Signature {
  // In the order of the columns.
  std::vector<NamedTensor> inputs;
  std::vector<NamedTensor> outputs;
  // Name -> description; by name is also how model.pdiparams is sorted.
  std::map<std::string, TensorDesc> parameters;
  // For each input, whether runs can compute on the caller's bytes: nothing but
  // the input's own tensor may hold them when the run is over.
  std::vector<bool> shareable;
  std::vector<ValueCheck> checks;
  // Whether tensors are quantised on the way: a model to run in int8.
  bool quantised = false;
};

// Walks a serialized ProgramDesc. DATA_LOSS or INVALID_ARGUMENT says what is
// wrong, without the file's name.
absl::StatusOr<Signature> ParseProgram(std::string_view bytes);

}  // namespace engine

#endif  // CC_ENGINE_PROGRAM_H_
