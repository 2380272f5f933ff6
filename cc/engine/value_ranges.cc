#include "cc/engine/value_ranges.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engine {
namespace {

constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();

// More than any model has; a walk of a hostile one ends there.
constexpr size_t kMaxSteps = 100000;

// BOOL and the kinds of numbers, of VarType.Type.
constexpr int kBool = 0;
bool IsReal(int type) {
  return (type >= 4 && type <= 6) || type == 22;  // FP16, FP32, FP64, BF16
}

// What each element of a variable must be: a check without its input.
using Need = ValueCheck;

// A size that is fixed, or that of an input's dimension.
struct Size {
  int64_t fixed = -1;
  std::optional<ValueCheck::Dimension> of = std::nullopt;
};

// A variable and the block that looks it up.
struct Use {
  const Variable* variable = nullptr;
  const Block* block = nullptr;
  std::string name;
};

int64_t NumberOf(const Operator& op, const std::string& name,
                 int64_t otherwise) {
  const auto found = op.attributes.find(name);
  return found == op.attributes.end() ? otherwise : found->second.number;
}

double RealOf(const Operator& op, const std::string& name, double otherwise) {
  const auto found = op.attributes.find(name);
  return found == op.attributes.end() ? otherwise : found->second.real;
}

std::vector<int64_t> NumbersOf(const Operator& op, const std::string& name) {
  const auto found = op.attributes.find(name);
  if (found == op.attributes.end()) return {};
  return found->second.numbers;
}

bool IsGiven(const Operator& op, const std::string& parameter) {
  const auto found = op.inputs.find(parameter);
  return found != op.inputs.end() && !found->second.empty();
}

// A whole number that a double has exactly.
std::optional<int64_t> Whole(double value) {
  if (!(std::abs(value) < 1e15) || value != std::trunc(value)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(value);
}

// a / b, rounded down and up; b > 0.
int64_t Floor(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t Ceil(int64_t a, int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

int64_t Plus(int64_t bound, int64_t offset) {
  // No bound stays none.
  if (bound == kLowest || bound == kHighest) return bound;
  int64_t sum;
  if (__builtin_add_overflow(bound, offset, &sum)) {
    return offset < 0 ? kLowest : kHighest;
  }
  return sum;
}

class Walk {
 public:
  Walk(const std::vector<Block>& blocks, const std::vector<NamedTensor>& inputs)
      : blocks_(blocks), inputs_(inputs) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      feeds_[&blocks[0].variables.at(inputs[i].name)] = i;
    }
    for (const Block& block : blocks) {
      for (const Operator& op : block.operators) {
        if (op.type == "feed") continue;
        for (const std::string& name : Names(op.outputs)) {
          if (const Variable* variable = FindVariable(blocks, block, name)) {
            writers_[variable].emplace_back(&op, &block);
          }
        }
      }
    }
  }

  std::vector<ValueCheck> Checks() {
    for (const Block& block : blocks_) {
      block_ = &block;
      for (const Operator& op : block.operators) Begin(op);
    }
    while (!open_.empty() && steps_ < kMaxSteps) {
      const auto [use, need] = std::move(open_.back());
      open_.pop_back();
      GoBack(use, need);
    }
    return std::move(found_);
  }

 private:
  // The one variable given for a parameter.
  std::optional<Use> In(const Operator& op, const Block& block,
                        const std::string& parameter, size_t i = 0) const {
    const auto given = op.inputs.find(parameter);
    if (given == op.inputs.end() || i >= given->second.size()) {
      return std::nullopt;
    }
    const std::string& name = given->second[i];
    const Variable* variable = FindVariable(blocks_, block, name);
    if (variable == nullptr || !variable->tensor) return std::nullopt;
    return Use{variable, &block, name};
  }

  void Want(const std::optional<Use>& use, Need need) {
    if (!use || steps_ == kMaxSteps) return;
    std::string parts;
    for (const Part& part : need.parts) {
      absl::StrAppend(&parts, part.axis, ":", part.begin, ":", part.end, " ");
    }
    // What adds nothing is not walked again.
    const auto key = std::make_tuple(
        use->variable, need.min, need.max,
        need.of ? std::pair(static_cast<int64_t>(need.of->input),
                            static_cast<int64_t>(need.of->axis))
                : std::pair(int64_t{-1}, int64_t{-1}),
        parts);
    if (!wanted_.insert(key).second) return;
    ++steps_;
    open_.emplace_back(*use, std::move(need));
  }

  // The operators that take numbers for rows, indices and lengths.
  void Begin(const Operator& op) {
    const Block& block = *block_;
    const std::string& type = op.type;
    if (type == "lookup_table" || type == "lookup_table_v2") {
      Index(In(op, block, "Ids"), In(op, block, "W"), 0,
            "row of an embedding table");
    } else if (type == "gather") {
      if (!IsGiven(op, "Axis")) {
        Index(In(op, block, "Index"), In(op, block, "X"),
              NumberOf(op, "axis", 0));
      }
    } else if (type == "gather_nd" || type == "scatter_nd_add") {
      EachIndex(In(op, block, "Index"), In(op, block, "X"));
    } else if (type == "index_select") {
      Index(In(op, block, "Index"), In(op, block, "X"), NumberOf(op, "dim", 0));
    } else if (type == "index_add") {
      Index(In(op, block, "Index"), In(op, block, "X"),
            NumberOf(op, "axis", 0));
    } else if (type == "index_sample") {
      Index(In(op, block, "Index"), In(op, block, "X"), 1);
    } else if (type == "take_along_axis" || type == "put_along_axis") {
      Index(In(op, block, "Index"), In(op, block, "Input"),
            NumberOf(op, "Axis", 0));
    } else if (type == "scatter") {
      Index(In(op, block, "Ids"), In(op, block, "X"), 0);
    } else if (type == "index_put") {
      for (size_t i = 0;; ++i) {
        const std::optional<Use> index = In(op, block, "indices", i);
        if (!index) break;
        // A mask in place of indices may stand for several dimensions.
        if (index->variable->tensor->data_type == kBool) break;
        Index(index, In(op, block, "x"), static_cast<int64_t>(i), "index",
              /*wraps=*/true);
      }
    } else if (type == "graph_send_recv") {
      Index(In(op, block, "Src_index"), In(op, block, "X"), 0);
    } else if (type == "multiplex") {
      const auto given = op.inputs.find("X");
      if (given != op.inputs.end()) {
        Below(In(op, block, "Ids"), static_cast<int64_t>(given->second.size()),
              "one of the tensors");
      }
    } else if (type == "gather_tree") {
      Index(In(op, block, "Parents"), In(op, block, "Ids"), 2, "beam");
    } else if (type == "one_hot" || type == "one_hot_v2") {
      if (!IsGiven(op, "depth_tensor") &&
          NumberOf(op, "allow_out_of_range", 0) == 0) {
        Below(In(op, block, "X"), NumberOf(op, "depth", -1),
              "class of a one-hot vector");
      }
    } else if (type == "unpool") {
      std::vector<int64_t> size = NumbersOf(op, "output_size");
      if (!IsGiven(op, "output_size") && size.size() >= 2) {
        const int64_t height = size[size.size() - 2];
        const int64_t width = size[size.size() - 1];
        if (height > 0 && width > 0 && height < kHighest / width) {
          Below(In(op, block, "Indices"), height * width, "pixel");
        }
      }
    } else if (type == "rnn") {
      // Time comes first: the layers turn what comes batch first.
      Length(In(op, block, "SequenceLength"), In(op, block, "Input"), 0);
    } else if (type == "viterbi_decode") {
      Length(In(op, block, "Length"), In(op, block, "Input"), 1);
    } else if (type == "warpctc") {
      // Its tables of labels are as wide as the last dimension.
      const std::optional<Use> logits = In(op, block, "Logits");
      if (!logits) return;
      Index(In(op, block, "Label"), logits,
            static_cast<int64_t>(logits->variable->tensor->dims.size()) - 1,
            "label");
      if (IsGiven(op, "LogitsLength")) {
        Length(In(op, block, "LogitsLength"), logits, 0);
        Length(In(op, block, "LabelLength"), In(op, block, "Label"), 1);
      }
    }
  }

  // `index` looks up in dimension `axis` of `table`.
  void Index(const std::optional<Use>& index, const std::optional<Use>& table,
             int64_t axis, const std::string& what = "index",
             bool wraps = false, std::vector<Part> parts = {}) {
    if (!index || !table) return;
    const std::optional<Size> size = SizeOf(*table, axis);
    if (!size) return;
    Need need;
    need.min = 0;
    need.max = -1;
    need.parts = std::move(parts);
    need.reason = what;
    Bound(*size, &need);
    if (wraps) {
      // From the end on, as in Python; how far is known of a fixed size only.
      need.min = size->of ? kLowest : -size->fixed;
    }
    Want(index, std::move(need));
  }

  // Each column of the last dimension of `index` looks up in a dimension of its
  // own.
  void EachIndex(const std::optional<Use>& index,
                 const std::optional<Use>& table) {
    if (!index || index->variable->tensor->dims.empty()) return;
    const std::vector<int64_t>& dims = index->variable->tensor->dims;
    for (int64_t column = 0; column < dims.back(); ++column) {
      std::vector<Part> parts;
      if (dims.back() > 1) parts = {{dims.size() - 1, column, column + 1}};
      Index(index, table, column, "index", /*wraps=*/false, std::move(parts));
    }
  }

  void Below(const std::optional<Use>& index, int64_t count,
             const std::string& what) {
    if (count < 1) return;
    Need need;
    need.max = count - 1;
    need.reason = absl::StrCat(what, ", of ", count);
    Want(index, std::move(need));
  }

  void Length(const std::optional<Use>& length, const std::optional<Use>& of,
              int64_t axis) {
    if (!length || !of) return;
    const std::optional<Size> size = SizeOf(*of, axis);
    if (!size) return;
    Need need;
    need.reason = "length";
    Bound(*size, &need);
    Want(length, std::move(need));
  }

  // Adds the size to the greatest value, and says so.
  void Bound(const Size& size, Need* need) const {
    const bool table = need->reason == "row of an embedding table";
    need->of = size.of;
    if (size.of) {
      absl::StrAppend(&need->reason, table ? ", which is" : " in",
                      " dimension ", size.of->axis, " of input ",
                      inputs_[size.of->input].name);
    } else {
      need->max += size.fixed;
      absl::StrAppend(&need->reason, table ? " of " : " in a dimension of ",
                      size.fixed, table ? " rows" : "");
    }
  }

  // The size of a dimension, as far back as it is only passed on.
  std::optional<Size> SizeOf(Use use, int64_t axis) const {
    for (size_t step = 0; step < kMaxSteps; ++step) {
      const std::vector<int64_t>& dims = use.variable->tensor->dims;
      const auto rank = static_cast<int64_t>(dims.size());
      if (axis < 0) axis += rank;
      if (axis < 0 || axis >= rank) return std::nullopt;
      const auto feed = feeds_.find(use.variable);
      const auto writers = writers_.find(use.variable);
      if (dims[axis] >= 0) return Size{dims[axis]};
      if (feed != feeds_.end()) {
        if (writers != writers_.end()) return std::nullopt;
        return Size{-1, {{feed->second, static_cast<size_t>(axis)}}};
      }
      if (writers == writers_.end() || writers->second.size() != 1) {
        return std::nullopt;
      }
      const std::optional<Use> before = DimensionBefore(
          *writers->second[0].first, *writers->second[0].second, rank, &axis);
      if (!before) return std::nullopt;
      use = *before;
    }
    return std::nullopt;
  }

  // Where an operator has an output's dimension from; sets `axis` to it.
  std::optional<Use> DimensionBefore(const Operator& op, const Block& block,
                                     int64_t rank, int64_t* axis) const {
    static const std::set<std::string> kSameShape = {
        "abs",        "assign",     "cast",   "clip",         "dropout",
        "elu",        "exp",        "gelu",   "hard_sigmoid", "hard_swish",
        "layer_norm", "leaky_relu", "log",    "log_softmax",  "pow",
        "relu",       "relu6",      "scale",  "sigmoid",      "silu",
        "softmax",    "sqrt",       "square", "swish",        "tanh"};
    if (kSameShape.count(op.type) > 0) return In(op, block, "X");
    if (op.type == "transpose" || op.type == "transpose2") {
      const std::vector<int64_t> order = NumbersOf(op, "axis");
      if (*axis >= static_cast<int64_t>(order.size())) return std::nullopt;
      *axis = order[*axis];
      return In(op, block, "X");
    }
    if (op.type == "lookup_table_v2" && *axis < rank - 1) {
      return In(op, block, "Ids");
    }
    const std::optional<Use> weight = In(op, block, "Y");
    if (op.type == "matmul_v2" && *axis < rank - 1 && weight &&
        weight->variable->tensor->dims.size() == 2 &&
        NumberOf(op, "trans_x", 0) == 0) {
      return In(op, block, "X");
    }
    // What is added by a layer, to the last dimension.
    if (op.type == "elementwise_add" && *axis < rank - 1 && weight &&
        weight->variable->tensor->dims.size() == 1) {
      return In(op, block, "X");
    }
    return std::nullopt;
  }

  // From what a variable must be to what the operator that makes it was given.
  void GoBack(const Use& use, const Need& need) {
    const auto feed = feeds_.find(use.variable);
    const auto writers = writers_.find(use.variable);
    if (feed != feeds_.end()) {
      if (writers == writers_.end()) Found(feed->second, need);
      return;
    }
    // With more writers than one, which of them it is from is not known.
    if (writers == writers_.end() || writers->second.size() != 1) return;
    const Operator& op = *writers->second[0].first;
    const Block& block = *writers->second[0].second;

    // Passed on as they are, in the same places.
    static const std::set<std::string> kSame = {"assign", "memcpy",
                                                "share_data"};
    // Passed on as they are, all of them, in other places.
    static const std::set<std::string> kMoved = {"expand",
                                                 "expand_as",
                                                 "expand_as_v2",
                                                 "expand_v2",
                                                 "flatten",
                                                 "flatten2",
                                                 "flatten_contiguous_range",
                                                 "flip",
                                                 "reshape",
                                                 "reshape2",
                                                 "roll",
                                                 "squeeze",
                                                 "squeeze2",
                                                 "tile",
                                                 "transpose",
                                                 "transpose2",
                                                 "unsqueeze",
                                                 "unsqueeze2"};
    const std::string& type = op.type;
    if (kSame.count(type) > 0) return Want(In(op, block, "X"), need);
    if (type == "cast") {
      if (NumberOf(op, "out_dtype", kBool) == kBool) return;
      return Want(In(op, block, "X"), need);
    }
    if (type == "scale") return ThroughScale(op, block, need);
    if (type == "clip") return ThroughClip(op, block, need);
    if (type == "slice") return ThroughSlice(op, block, need);
    if (type == "split") return ThroughSplit(op, block, use, need);
    if (type == "unbind" || type == "unstack") {
      return ThroughUnbind(op, block, use, need);
    }
    // From here on an element's place is lost.
    if (!need.parts.empty()) return;
    if (kMoved.count(type) > 0) return Want(In(op, block, "X"), need);
    if (type == "concat" || type == "stack") {
      for (size_t i = 0; i < op.inputs.at("X").size(); ++i) {
        Want(In(op, block, "X", i), need);
      }
    }
  }

  // out = x * scale + bias, or (x + bias) * scale.
  void ThroughScale(const Operator& op, const Block& block, Need need) {
    const std::optional<Use> x = In(op, block, "X");
    if (IsGiven(op, "ScaleTensor") || !x) return;
    const std::optional<int64_t> scale = Whole(RealOf(op, "scale", 1));
    std::optional<int64_t> bias = Whole(RealOf(op, "bias", 0));
    if (!scale || !bias || *scale == 0) return;
    const bool after = NumberOf(op, "bias_after_scale", 1) != 0;
    if (*scale == 1) {
      need.min = Plus(need.min, -*bias);
      need.max = need.of ? need.max - *bias : Plus(need.max, -*bias);
      return Want(x, std::move(need));
    }
    // Of a real number between two whole ones, what is cut off is multiplied.
    if (need.of || IsReal(x->variable->tensor->data_type)) return;
    if (after) {
      need.min = Plus(need.min, -*bias);
      need.max = Plus(need.max, -*bias);
    }
    if (need.min == kLowest || need.max == kHighest) return;
    if (*scale < 0) {
      std::swap(need.min, need.max);
      need.min = -need.min;
      need.max = -need.max;
    }
    need.min = Ceil(need.min, std::abs(*scale));
    need.max = Floor(need.max, std::abs(*scale));
    if (!after) {
      need.min = Plus(need.min, -*bias);
      need.max = Plus(need.max, -*bias);
    }
    Want(x, std::move(need));
  }

  // A bound that is within what is wanted leaves that side free.
  void ThroughClip(const Operator& op, const Block& block, Need need) {
    if (IsGiven(op, "Min") || IsGiven(op, "Max") || need.of) return;
    const double min = RealOf(op, "min", -INFINITY);
    const double max = RealOf(op, "max", INFINITY);
    if (min >= static_cast<double>(need.min)) need.min = kLowest;
    if (max <= static_cast<double>(need.max)) need.max = kHighest;
    if (need.min == kLowest && need.max == kHighest) return;
    Want(In(op, block, "X"), std::move(need));
  }

  void ThroughSlice(const Operator& op, const Block& block, Need need) {
    for (const char* list :
         {"StartsTensor", "EndsTensor", "StartsTensorList", "EndsTensorList"}) {
      if (IsGiven(op, list)) return;
    }
    const std::optional<Use> x = In(op, block, "Input");
    const std::vector<int64_t> axes = NumbersOf(op, "axes");
    const std::vector<int64_t> starts = NumbersOf(op, "starts");
    const std::vector<int64_t> ends = NumbersOf(op, "ends");
    if (!x || axes.size() != starts.size() || axes.size() != ends.size()) {
      return;
    }
    // The parts of what is made are counted from where the slice begins.
    if (!need.parts.empty()) return;
    for (size_t i = 0; i < axes.size(); ++i) {
      const std::vector<int64_t>& dims = x->variable->tensor->dims;
      int64_t axis = axes[i];
      if (axis < 0) axis += static_cast<int64_t>(dims.size());
      if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) return;
      int64_t begin = starts[i];
      int64_t end = ends[i];
      if (dims[axis] >= 0) {
        if (begin < 0) begin += dims[axis];
        if (end < 0) end += dims[axis];
        if (begin <= 0 && end >= dims[axis]) continue;
      }
      // Counted from an end that is not known.
      if (begin < 0 || end < 0) return;
      need.parts.push_back({static_cast<size_t>(axis), begin, end});
    }
    Want(x, std::move(need));
  }

  // The place of a variable among the outputs of an operator.
  static std::optional<size_t> Place(const Operator& op,
                                     const std::string& parameter,
                                     const std::string& name) {
    const auto given = op.outputs.find(parameter);
    if (given == op.outputs.end()) return std::nullopt;
    const auto found =
        std::find(given->second.begin(), given->second.end(), name);
    if (found == given->second.end()) return std::nullopt;
    return static_cast<size_t>(found - given->second.begin());
  }

  void ThroughSplit(const Operator& op, const Block& block, const Use& use,
                    Need need) {
    const std::optional<Use> x = In(op, block, "X");
    const std::optional<size_t> place = Place(op, "Out", use.name);
    if (!x || !place || !need.parts.empty() || IsGiven(op, "AxisTensor") ||
        IsGiven(op, "SectionsTensorList")) {
      return;
    }
    const std::vector<int64_t>& dims = x->variable->tensor->dims;
    int64_t axis = NumberOf(op, "axis", 0);
    if (axis < 0) axis += static_cast<int64_t>(dims.size());
    if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) return;
    std::vector<int64_t> sections = NumbersOf(op, "sections");
    const int64_t count = NumberOf(op, "num", 0);
    if (sections.empty() && count > 0 && dims[axis] > 0) {
      sections.assign(op.outputs.at("Out").size(), dims[axis] / count);
    }
    if (*place >= sections.size()) return;
    int64_t begin = 0;
    for (size_t i = 0; i <= *place; ++i) {
      if (sections[i] < 0) return;
      if (i < *place) begin += sections[i];
    }
    need.parts = {{static_cast<size_t>(axis), begin, begin + sections[*place]}};
    Want(x, std::move(need));
  }

  void ThroughUnbind(const Operator& op, const Block& block, const Use& use,
                     Need need) {
    const std::optional<Use> x = In(op, block, "X");
    const std::optional<size_t> place =
        Place(op, op.type == "unbind" ? "Out" : "Y", use.name);
    if (!x || !place || !need.parts.empty()) return;
    int64_t axis = NumberOf(op, "axis", 0);
    const auto rank = static_cast<int64_t>(x->variable->tensor->dims.size());
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return;
    const auto begin = static_cast<int64_t>(*place);
    need.parts = {{static_cast<size_t>(axis), begin, begin + 1}};
    Want(x, std::move(need));
  }

  void Found(size_t input, Need need) {
    need.input = input;
    found_.push_back(std::move(need));
  }

  const std::vector<Block>& blocks_;
  const std::vector<NamedTensor>& inputs_;
  std::map<const Variable*, size_t> feeds_;
  std::map<const Variable*,
           std::vector<std::pair<const Operator*, const Block*>>>
      writers_;
  const Block* block_ = nullptr;  // that Begin reads
  std::vector<std::pair<Use, Need>> open_;
  std::set<std::tuple<const Variable*, int64_t, int64_t,
                      std::pair<int64_t, int64_t>, std::string>>
      wanted_;
  size_t steps_ = 0;
  std::vector<ValueCheck> found_;
};

}  // namespace

std::vector<ValueCheck> FindValueChecks(
    const std::vector<Block>& blocks, const std::vector<NamedTensor>& inputs) {
  return Walk(blocks, inputs).Checks();
}

}  // namespace engine
