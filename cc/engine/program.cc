#include "cc/engine/program.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/base/casts.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "cc/engine/broadcasts.h"
#include "cc/engine/guards.h"
#include "cc/engine/program_desc.h"
#include "cc/engine/protobuf_reader.h"
#include "cc/engine/value_ranges.h"

namespace engine {
namespace {

// What PaddleSlim puts before each operator that is to run in int8.
constexpr char kQuantise[] = "quantize_linear";

// A placeholder for an argument that an operator does without.
constexpr char kEmptyArgument[] = "@EMPTY@";

// Fields of OpDesc.Attr that hold the value of an attribute of some types.
enum AttributeField : uint32_t {
  kInt = 3,
  kInts = 6,
  kBlock = 12,
  kLongs = 15,
  kDouble = 19
};

int64_t ToInt32(uint64_t number) {
  return static_cast<int32_t>(static_cast<uint32_t>(number));
}

// VarType: 1 kind, 3 lod_tensor {1 tensor, 2 lod_level}. Of a message that is
// there twice protobuf makes one, of both; Paddle writes none such.
bool ParseType(std::string_view bytes, Variable* variable) {
  MessageReader reader(bytes);
  Field field;
  bool described = false;
  while (reader.Next(&field)) {
    if (field.id == 1) variable->kind = static_cast<int>(ToInt32(field.number));
    if (field.id != 3) continue;
    if (described) return false;
    described = true;
    MessageReader lod(field.bytes);
    Field inner;
    while (lod.Next(&inner)) {
      if (inner.id == 2) {
        const int64_t level = ToInt32(inner.number);
        if (inner.delimited || level < 0) return false;
        variable->lod_level = static_cast<int>(level);
      }
      if (inner.id != 1) continue;
      if (variable->tensor) return false;
      variable->tensor = ParseTensorDesc(inner.bytes);
      if (!variable->tensor) return false;
    }
    if (!field.delimited || !lod.ok()) return false;
  }
  return reader.ok() && variable->kind >= 0;
}

// VarDesc: 1 name, 2 type, 3 persistable.
bool ParseVariable(std::string_view bytes, std::string* name,
                   Variable* variable) {
  MessageReader reader(bytes);
  Field field;
  bool typed = false;
  while (reader.Next(&field)) {
    if (field.id == 1) *name = std::string(field.bytes);
    if (field.id == 2) typed = !typed && ParseType(field.bytes, variable);
    if (field.id == 3) variable->persistable = field.number != 0;
  }
  return reader.ok() && typed && !name->empty();
}

// OpDesc.Var: 1 parameter, 2 arguments. Protobuf skips a field that it does not
// know; an argument whose number was damaged would be missed without a word.
bool ParseArguments(std::string_view bytes, Arguments* arguments) {
  MessageReader reader(bytes);
  Field field;
  std::string parameter;
  std::vector<std::string> names;
  while (reader.Next(&field)) {
    if (field.id > 2) return false;
    if (field.id == 1) parameter = std::string(field.bytes);
    if (field.id == 2) names.emplace_back(field.bytes);
  }
  std::vector<std::string>& all = (*arguments)[parameter];
  all.insert(all.end(), names.begin(), names.end());
  return reader.ok();
}

double ToReal(const Field& field) {
  if (field.id == kDouble) return absl::bit_cast<double>(field.number);
  return absl::bit_cast<float>(static_cast<uint32_t>(field.number));
}

// OpDesc.Attr: 1 name, 2 type, and one field with the value (3 an INT). The
// engine reads the field that the type names, so a wrong type must not pass.
bool ParseAttribute(std::string_view bytes, Operator* op) {
  // Value field of each AttrType, by its number: INT, FLOAT, STRING, INTS, ...
  static constexpr uint32_t kValueField[] = {
      3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};
  MessageReader reader(bytes);
  Field field;
  std::string name;
  int64_t type = -1;
  Attribute value;
  std::set<uint32_t> values;
  while (reader.Next(&field)) {
    if (field.id == 1) {
      name = std::string(field.bytes);
    } else if (field.id == 2) {
      type = ToInt32(field.number);
    } else {
      values.insert(field.id);
      value.number = static_cast<int64_t>(field.number);
      if (field.id == kInt || field.id == kBlock) {
        value.number = ToInt32(field.number);
      }
      value.real = ToReal(field);
      if (field.id == kInts) value.numbers.push_back(ToInt32(field.number));
      if (field.id == kLongs) value.numbers.push_back(value.number);
    }
  }
  if (!reader.ok() || name.empty() || type < 0 ||
      type >= static_cast<int64_t>(std::size(kValueField))) {
    return false;
  }
  op->attributes[name] = std::move(value);
  // A repeated value may be empty, and then its field is absent.
  return values.empty() ||
         (values.size() == 1 && *values.begin() == kValueField[type]);
}

// OpDesc: 1 inputs, 2 outputs, 3 type, 4 attributes, 5 is_target.
bool ParseOperator(std::string_view bytes, Operator* op) {
  MessageReader reader(bytes);
  Field field;
  bool good = true;
  while (good && reader.Next(&field)) {
    if (field.id == 1) good = ParseArguments(field.bytes, &op->inputs);
    if (field.id == 2) good = ParseArguments(field.bytes, &op->outputs);
    if (field.id == 3) op->type = std::string(field.bytes);
    if (field.id == 4) good = ParseAttribute(field.bytes, op);
    if (field.id > 5) good = false;
  }
  return good && reader.ok() && !op->type.empty();
}

// BlockDesc: 1 idx, 2 parent_idx, 3 vars, 4 ops.
absl::StatusOr<Block> ParseBlock(std::string_view bytes) {
  MessageReader reader(bytes);
  Field field;
  Block block;
  while (reader.Next(&field)) {
    if (field.id == 1) block.index = ToInt32(field.number);
    if (field.id == 2) block.parent = ToInt32(field.number);
    if (field.id == 3) {
      std::string name;
      Variable variable;
      if (!ParseVariable(field.bytes, &name, &variable)) {
        return Damaged(absl::StrCat("variable ", Quoted(name)));
      }
      block.variables[name] = std::move(variable);
    }
    if (field.id == 4) {
      Operator op;
      if (!ParseOperator(field.bytes, &op)) {
        return Damaged(absl::StrCat("operator ", Quoted(op.type)));
      }
      block.operators.push_back(std::move(op));
    }
  }
  if (!reader.ok()) return Damaged("block");
  return block;
}

// The engine looks a name up and follows the pointer it gets: every name must
// stand for something.
absl::Status CheckNames(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    for (const Operator& op : block.operators) {
      for (const auto* names : {&op.inputs, &op.outputs}) {
        for (const std::string& name : Names(*names)) {
          if (name != kEmptyArgument && !FindVariable(blocks, block, name)) {
            return absl::DataLossError(absl::StrCat(
                "operator ", Quoted(op.type), " names the variable ",
                Quoted(name), ", which the program does not declare"));
          }
        }
      }
    }
  }
  return absl::OkStatus();
}

// A feed copies column number `col` of the list that comes in to a variable, a
// fetch the other way round. The engine takes both ends on trust and makes the
// list as long as the greatest column. Returns the variables by column.
absl::StatusOr<std::vector<NamedTensor>> ReadEnds(const Block& main,
                                                  const std::string& type,
                                                  int list_kind) {
  std::map<int64_t, NamedTensor> columns;
  int64_t count = 0;
  for (const Operator& op : main.operators) {
    if (op.type != type) continue;
    ++count;
    const bool feed = type == "feed";
    const std::vector<std::string> lists = Names(feed ? op.inputs : op.outputs);
    const std::vector<std::string> tensors =
        Names(feed ? op.outputs : op.inputs);
    if (lists.size() != 1 || tensors.size() != 1) {
      return Damaged(absl::StrCat("operator ", Quoted(type)));
    }
    auto list = main.variables.find(lists[0]);
    auto tensor = main.variables.find(tensors[0]);
    if (list == main.variables.end() || list->second.kind != list_kind ||
        tensor == main.variables.end() || tensor->second.kind != kLodTensor ||
        !tensor->second.tensor) {
      return Damaged(absl::StrCat("operator ", Quoted(type)));
    }
    const auto column = op.attributes.find("col");
    columns[column == op.attributes.end() ? -1 : column->second.number] = {
        tensor->first, *tensor->second.tensor, tensor->second.lod_level};
  }
  if (count == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the program has no ", type,
                     " operator; a model to serve has inputs and outputs"));
  }
  if (static_cast<int64_t>(columns.size()) != count ||
      columns.begin()->first != 0 || columns.rbegin()->first != count - 1) {
    return Damaged(absl::StrCat("columns of the operators ", Quoted(type)));
  }
  std::vector<NamedTensor> ends;
  for (auto& [column, tensor] : columns) ends.push_back(std::move(tensor));
  return ends;
}

// In the main block, what an operator reads must be a parameter, an input of
// the model, or the result of an operator before it. Not so a list of tensors:
// that is there, and empty, before anything is appended to it.
absl::Status CheckOrder(const Block& main) {
  std::set<std::string> ready;
  for (const auto& [name, variable] : main.variables) {
    if (variable.persistable || variable.kind == kTensorArray) {
      ready.insert(name);
    }
  }
  for (const Operator& op : main.operators) {
    for (const std::string& name : Names(op.inputs)) {
      if (name != kEmptyArgument && ready.count(name) == 0) {
        return absl::DataLossError(
            absl::StrCat("operator ", Quoted(op.type), " reads ", Quoted(name),
                         ", which nothing before it writes"));
      }
    }
    const std::vector<std::string> written = Names(op.outputs);
    ready.insert(written.begin(), written.end());
  }
  return absl::OkStatus();
}

// Whether the caller's bytes can be an input of the main block. Paddle gives
// some tensors the memory of another one, and a later run may write there. So
// an input is not shared if something writes to it, or adds to it (a sum is
// fused into the convolution before it, which then works in place), or if a
// block below or a view takes it on. What inplace_op_var_pass makes of an
// operator that changes the shape alone is the input under another name.
bool Shareable(const Block& main, const std::string& input) {
  static const std::set<std::string> kReshaping = {
      "assign",    "flatten",   "flatten2", "flatten_contiguous_range",
      "reshape",   "reshape2",  "squeeze",  "squeeze2",
      "unsqueeze", "unsqueeze2"};
  static const std::set<std::string> kTakesOn = {"conditional_block",
                                                 "elementwise_add",
                                                 "share_buffer",
                                                 "share_data",
                                                 "sum",
                                                 "while",
                                                 "write_to_array"};
  std::set<std::string> names = {input};
  const auto named = [&](const std::vector<std::string>& all) {
    return std::any_of(all.begin(), all.end(), [&](const std::string& name) {
      return names.count(name) > 0;
    });
  };
  for (const Operator& op : main.operators) {
    if (op.type == "feed") continue;
    const std::vector<std::string> outputs = Names(op.outputs);
    if (named(outputs)) return false;
    if (!named(Names(op.inputs))) continue;
    if (kTakesOn.count(op.type) > 0) return false;
    if (kReshaping.count(op.type) > 0) {
      names.insert(outputs.begin(), outputs.end());
    }
  }
  return true;
}

}  // namespace

// TensorDesc: 1 data_type, 2 dims (one field each, or packed).
std::optional<TensorDesc> ParseTensorDesc(std::string_view bytes) {
  MessageReader reader(bytes);
  Field field;
  TensorDesc desc;
  while (reader.Next(&field)) {
    if (field.id == 1) desc.data_type = static_cast<int>(ToInt32(field.number));
    if (field.id != 2) continue;
    // Packed dims, which Paddle does not write, would need a second walk.
    if (field.delimited) return std::nullopt;
    desc.dims.push_back(static_cast<int64_t>(field.number));
  }
  if (!reader.ok() || base::ProgramTypeOf(desc.data_type) == nullptr)
    return std::nullopt;
  return desc;
}

absl::StatusOr<Signature> ParseProgram(std::string_view bytes) {
  MessageReader reader(bytes);
  Field field;
  std::vector<Block> blocks;
  while (reader.Next(&field)) {
    if (field.id != 1) continue;
    absl::StatusOr<Block> block = ParseBlock(field.bytes);
    if (!block.ok()) return block.status();
    const int64_t index = static_cast<int64_t>(blocks.size());
    if (block->index != index || block->parent < -1 || block->parent >= index) {
      return Damaged("order of blocks");
    }
    blocks.push_back(*std::move(block));
  }
  if (!reader.ok()) return absl::DataLossError("cut off, or no program at all");
  if (blocks.empty()) {
    return absl::DataLossError("it has no program block (is it empty?)");
  }
  const Block& main = blocks.front();
  absl::Status status = CheckNames(blocks);
  if (!status.ok()) return status;
  absl::StatusOr<std::vector<NamedTensor>> inputs =
      ReadEnds(main, "feed", kFeedMinibatch);
  if (!inputs.ok()) return inputs.status();
  absl::StatusOr<std::vector<NamedTensor>> outputs =
      ReadEnds(main, "fetch", kFetchList);
  if (!outputs.ok()) return outputs.status();
  status = CheckOrder(main);
  status.Update(CheckBroadcasts(blocks));
  if (!status.ok()) return status;

  Signature signature;
  signature.inputs = *std::move(inputs);
  signature.outputs = *std::move(outputs);
  for (const NamedTensor& input : signature.inputs) {
    signature.shareable.push_back(Shareable(main, input.name));
  }
  ValueNeeds needs = FindValueNeeds(blocks, signature.inputs);
  signature.checks = std::move(needs.checks);
  if (!needs.guards.empty()) {
    signature.guarded = AddGuards(bytes, blocks, needs.guards);
  }
  for (const Operator& op : main.operators) {
    if (op.type == kQuantise) signature.quantised = true;
  }
  for (const auto& [name, variable] : main.variables) {
    if (!variable.persistable || variable.kind == kFeedMinibatch ||
        variable.kind == kFetchList || variable.kind == kRaw) {
      continue;
    }
    if (variable.kind != kLodTensor || !variable.tensor) {
      return absl::InvalidArgumentError(
          absl::StrCat("parameter ", Quoted(name), " is no dense tensor"));
    }
    signature.parameters[name] = *variable.tensor;
  }
  return signature;
}

}  // namespace engine
