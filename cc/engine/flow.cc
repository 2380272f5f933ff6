#include "cc/engine/flow.h"

#include <set>

namespace engine {
namespace {

// More than any model has; the walk of a hostile one ends there.
constexpr size_t kMaxSteps = 10000;

// Where an operator has an output's dimension `axis` from: one of its inputs,
// and there the dimension that `axis` is set to; nullptr: it cannot be told.
const char* DimensionBefore(const Operator& op, const Use& made,
                            const std::optional<Use>& weight, int64_t* axis) {
  static const std::set<std::string> kSameShape = {
      "abs",        "assign",     "cast",   "clip",         "dropout",
      "elu",        "exp",        "gelu",   "hard_sigmoid", "hard_swish",
      "layer_norm", "leaky_relu", "log",    "log_softmax",  "pow",
      "relu",       "relu6",      "scale",  "sigmoid",      "silu",
      "softmax",    "sqrt",       "square", "swish",        "tanh"};
  const auto rank = static_cast<int64_t>(made.variable->tensor->dims.size());
  if (kSameShape.count(op.type) > 0) return "X";
  if (op.type == "transpose" || op.type == "transpose2") {
    const std::vector<int64_t> order = NumbersOf(op, "axis");
    if (*axis >= static_cast<int64_t>(order.size())) return nullptr;
    *axis = order[static_cast<size_t>(*axis)];
    return "X";
  }
  if (*axis >= rank - 1) return nullptr;
  if (op.type == "lookup_table_v2") return "Ids";
  const size_t weight_rank = weight ? weight->variable->tensor->dims.size() : 0;
  if (op.type == "matmul_v2" && weight_rank == 2 &&
      NumberOf(op, "trans_x", 0) == 0) {
    return "X";
  }
  // What is added by a layer, to the last dimension.
  if (op.type == "elementwise_add" && weight_rank == 1) return "X";
  return nullptr;
}

}  // namespace

Flow::Flow(const std::vector<Block>& blocks,
           const std::vector<NamedTensor>& inputs)
    : blocks_(blocks) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs_[&blocks[0].variables.at(inputs[i].name)] = i;
  }
  for (const Block& block : blocks) {
    for (const Operator& op : block.operators) {
      if (op.type == "feed") continue;
      if (op.type == "while") loops_ = true;
      for (const std::string& name : Names(op.outputs)) {
        if (const Variable* variable = FindVariable(blocks, block, name)) {
          writers_[variable].push_back({&op, &block});
        }
      }
    }
  }
}

std::optional<Use> Flow::Find(const Block& block,
                              const std::string& name) const {
  const Variable* const variable = FindVariable(blocks_, block, name);
  if (variable == nullptr || !variable->tensor) return std::nullopt;
  return Use{variable, &block, name};
}

std::optional<Use> Flow::In(const Operator& op, const Block& block,
                            const std::string& parameter,
                            size_t position) const {
  const auto given = op.inputs.find(parameter);
  if (given == op.inputs.end() || position >= given->second.size()) {
    return std::nullopt;
  }
  return Find(block, given->second[position]);
}

const std::vector<Flow::Writer>& Flow::WritersOf(
    const Variable* variable) const {
  static const std::vector<Writer> kNone;
  const auto found = writers_.find(variable);
  return found == writers_.end() ? kNone : found->second;
}

std::optional<size_t> Flow::InputOf(const Variable* variable) const {
  const auto found = inputs_.find(variable);
  if (found == inputs_.end()) return std::nullopt;
  return found->second;
}

std::optional<Size> Flow::SizeOf(Use use, int64_t axis) const {
  for (size_t step = 0; step < kMaxSteps; ++step) {
    const std::vector<int64_t>& dims = use.variable->tensor->dims;
    if (axis < 0) axis += static_cast<int64_t>(dims.size());
    if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) {
      return std::nullopt;
    }
    const std::vector<Writer>& writers = WritersOf(use.variable);
    const std::optional<size_t> input = InputOf(use.variable);
    // What grows in a loop is declared as it is before the first round.
    const bool declared = writers.empty() || !loops_;
    if (declared && dims[static_cast<size_t>(axis)] >= 0) {
      return Size{dims[static_cast<size_t>(axis)]};
    }
    if (input && writers.empty()) {
      return Size{-1, {{*input, static_cast<size_t>(axis)}}};
    }
    if (input || writers.size() != 1) return std::nullopt;
    const Operator& op = *writers[0].op;
    const Block& block = *writers[0].block;
    const char* const parameter =
        DimensionBefore(op, use, In(op, block, "Y"), &axis);
    if (parameter == nullptr) return std::nullopt;
    const std::optional<Use> before = In(op, block, parameter);
    if (!before) return std::nullopt;
    use = *before;
  }
  return std::nullopt;
}

}  // namespace engine
