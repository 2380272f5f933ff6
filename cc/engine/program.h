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
#include "cc/base/values.h"

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

// A program in which operators check what others look up.
struct Guarded {
  std::string program;  // serialized; empty: it needs none, the file is run
  // What it means that Paddle's operator assert finds a variable false: an
  // error's text, by the variable's name. kEmptyTable: that its operator clip
  // finds the greatest value below the least.
  std::map<std::string, std::string> errors;
};
constexpr char kEmptyTable[] = "";

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
  std::vector<base::ValueCheck> checks;
  Guarded guarded;
  // Whether tensors are quantised on the way: a model to run in int8.
  bool quantised = false;
};

// Walks a serialized ProgramDesc. DATA_LOSS or INVALID_ARGUMENT says what is
// wrong, without the file's name.
absl::StatusOr<Signature> ParseProgram(std::string_view bytes);

}  // namespace engine

#endif  // CC_ENGINE_PROGRAM_H_
