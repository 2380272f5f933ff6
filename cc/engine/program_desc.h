// The parts of a ProgramDesc (framework.proto of Paddle 2.6.2) that are looked
// at here, as values.
#ifndef CC_ENGINE_PROGRAM_DESC_H_
#define CC_ENGINE_PROGRAM_DESC_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cc/engine/program.h"

namespace engine {

// A name in a message: a damaged one may hold any bytes, and any number.
std::string Quoted(absl::string_view name);

// DATA_LOSS: "malformed WHERE".
absl::Status Damaged(const std::string& where);

// VarType.Type of variables that are no element types.
enum VarKind {
  kLodTensor = 7,
  kFeedMinibatch = 9,
  kFetchList = 10,
  kTensorArray = 13,
  kRaw = 17
};

// VarType.Type of some element types.
enum ElementKind { kBoolElement = 0, kInt32Element = 2, kInt64Element = 3 };

struct Variable {
  int kind = -1;
  bool persistable = false;
  std::optional<TensorDesc> tensor;
  int lod_level = 0;
};

// The value of an attribute: of these the one that its type names.
struct Attribute {
  int64_t number = 0;            // INT, LONG, BOOLEAN, BLOCK
  double real = 0;               // FLOAT, FLOAT64
  std::vector<int64_t> numbers;  // INTS, LONGS
};

// Names of variables by the parameter of the operator that they are given for.
using Arguments = std::map<std::string, std::vector<std::string>>;

struct Operator {
  std::string type;
  Arguments inputs;
  Arguments outputs;
  std::map<std::string, Attribute> attributes;
};

struct Block {
  int64_t index = -1;
  int64_t parent = -1;
  std::map<std::string, Variable> variables;
  std::vector<Operator> operators;
};

// What a name stands for in a block, or in those around it; nullptr: nothing.
const Variable* FindVariable(const std::vector<Block>& blocks,
                             const Block& from, const std::string& name);

// All of an operator's inputs or outputs.
std::vector<std::string> Names(const Arguments& arguments);

// Whether an operator has any input for a parameter.
bool IsGiven(const Operator& op, const std::string& parameter);

// The value of an attribute of a type that is known.
int64_t NumberOf(const Operator& op, const std::string& name,
                 int64_t otherwise);
double RealOf(const Operator& op, const std::string& name, double otherwise);
std::vector<int64_t> NumbersOf(const Operator& op, const std::string& name);

}  // namespace engine

#endif  // CC_ENGINE_PROGRAM_DESC_H_
