#include "cc/engine/value_ranges.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "cc/engine/bounds.h"
#include "cc/engine/flow.h"

namespace engine {
namespace {

using base::DataType;
using base::Part;
using base::ValueCheck;

// More than any model has; the walk of a hostile one ends there, and what it
// has not seen is guarded.
constexpr size_t kMaxSteps = 100000;
constexpr size_t kMaxDepth = 1000;

// Whether CheckValues reads such elements.
bool HasRange(DataType dtype) {
  return base::IsInteger(dtype) || dtype == DataType::kFloat32 ||
         dtype == DataType::kFloat64;
}

// Whether VarType.Type is that of real numbers: FP16, FP32, FP64, BF16.
bool IsReal(const Use& use) {
  const int type = use.variable->tensor->data_type;
  return (type >= 4 && type <= 6) || type == 22;
}

// What each element of a variable must be: a check without its input.
using Need = ValueCheck;

class Walk {
 public:
  Walk(const std::vector<Block>& blocks, const std::vector<NamedTensor>& inputs)
      : blocks_(blocks), inputs_(inputs), flow_(blocks, inputs) {}

  ValueNeeds Needs() {
    ValueNeeds needs;
    for (Lookup& lookup : FindLookups(blocks_)) {
      if (!Follow(&lookup)) needs.guards.push_back(std::move(lookup));
    }
    needs.checks = std::move(found_);
    return needs;
  }

 private:
  // Whether the checks that are found see to a lookup. Tells the sizes of its
  // extents where they are fixed.
  bool Follow(Lookup* lookup) {
    const Block& block = blocks_[lookup->block];
    const std::optional<Use> index =
        flow_.In(block.operators[lookup->op], block, lookup->parameter,
                 lookup->position);
    bool all = true;
    for (size_t i = 0; i < lookup->extents.size(); ++i) {
      Extent& extent = lookup->extents[i];
      std::optional<Size> size = Size{extent.size};
      if (!extent.table.empty()) {
        const std::optional<Use> table = flow_.Find(block, extent.table);
        size = table ? flow_.SizeOf(*table, extent.axis) : std::nullopt;
      }
      if (!size || !index) {
        all = false;
        continue;
      }
      extent.size = size->fixed;
      Need need = NeedOf(*lookup, *size);
      if (lookup->extents.size() > 1) {
        const size_t last = index->variable->tensor->dims.size() - 1;
        const auto column = static_cast<int64_t>(i);
        need.parts = {{last, column, column + 1}};
      }
      all &= Holds(index, need);
    }
    return all;
  }

  // The values, and the reason in words.
  Need NeedOf(const Lookup& lookup, const Size& size) const {
    Need need;
    need.of = size.of;
    need.wraps = size.of && lookup.takes == Takes::kWrapping;
    need.max = lookup.takes == Takes::kLength ? 0 : -1;
    if (size.of) {
      need.reason = ReasonOf(
          lookup, absl::StrCat("dimension ", size.of->axis, " of input ",
                               inputs_[size.of->input].name));
      return need;
    }
    need.max += size.fixed;
    if (lookup.takes == Takes::kWrapping) need.min = -size.fixed;
    need.reason = ReasonOf(lookup, size.fixed);
    return need;
  }

  // Whether all values of a variable are as needed, if those of the inputs are
  // as the checks say, to which it adds.
  bool Holds(const std::optional<Use>& use, const Need& need) {
    if (!use || steps_ == kMaxSteps || depth_ == kMaxDepth) return false;
    std::string parts;
    for (const Part& part : need.parts) {
      absl::StrAppend(&parts, part.axis, ":", part.begin, ":", part.end, " ");
    }
    const auto key = std::make_tuple(
        use->variable, need.min, need.max,
        need.of ? std::pair(static_cast<int64_t>(need.of->input),
                            static_cast<int64_t>(need.of->axis))
                : std::pair(int64_t{-1}, int64_t{-1}),
        need.wraps, parts);
    // Not in a circle, and what is known is not walked again.
    const auto [known, is_new] = known_.emplace(key, false);
    if (!is_new) return known->second;
    ++steps_;
    ++depth_;
    known->second = GoBack(*use, need);
    --depth_;
    return known->second;
  }

  // From what a variable must be to what the operator that makes it was given.
  bool GoBack(const Use& use, const Need& need) {
    const auto& writers = flow_.WritersOf(use.variable);
    if (const std::optional<size_t> input = flow_.InputOf(use.variable)) {
      return writers.empty() && Found(*input, need);
    }
    // The file's own values are trusted as its program is.
    if (writers.empty()) return use.variable->persistable;
    // With more writers than one, which of them it is from is not known.
    if (writers.size() != 1) return false;
    const Operator& op = *writers[0].op;
    const Block& block = *writers[0].block;

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
    const std::optional<Use> x = flow_.In(op, block, "X");
    if (kSame.count(type) > 0) return Holds(x, need);
    if (type == "cast") {
      return NumberOf(op, "out_dtype", kBoolElement) != kBoolElement &&
             Holds(x, need);
    }
    if (type == "scale") return ThroughScale(op, x, need);
    if (type == "clip") return ThroughClip(op, x, need);
    if (type == "slice") {
      return ThroughSlice(op, flow_.In(op, block, "Input"), need);
    }
    if (type == "split") return ThroughSplit(op, x, use, need);
    if (type == "unbind" || type == "unstack") {
      return ThroughUnbind(op, x, use, need);
    }
    if (type == "fill_any_like" || type == "fill_constant") {
      return IsConstant(op, need);
    }
    if (type == "arg_max" || type == "arg_min" || type == "argsort" ||
        type == "top_k_v2") {
      return IsPlace(op, x, use, need);
    }
    // From here on an element's place is lost.
    if (!need.parts.empty()) return false;
    if (kMoved.count(type) > 0) return Holds(x, need);
    if (type == "concat" || type == "stack") {
      const auto given = op.inputs.find("X");
      if (given == op.inputs.end() || given->second.empty()) return false;
      bool all = true;
      for (size_t i = 0; i < given->second.size(); ++i) {
        all &= Holds(flow_.In(op, block, "X", i), need);
      }
      return all;
    }
    return false;
  }

  static bool IsConstant(const Operator& op, const Need& need) {
    const std::optional<int64_t> value = Whole(RealOf(op, "value", NAN));
    return value && !need.of && !IsGiven(op, "ValueTensor") &&
           *value >= need.min && *value <= need.max;
  }

  // A place in a dimension, as argmax gives it.
  bool IsPlace(const Operator& op, const std::optional<Use>& x, const Use& use,
               const Need& need) const {
    const bool values = Place(op, "Out", use.name) && op.outputs.size() > 1;
    const int64_t axis = NumberOf(op, "axis", -1);
    if (!x || values || need.of || NumberOf(op, "flatten", 0) != 0) {
      return false;
    }
    const std::optional<Size> size = flow_.SizeOf(*x, axis);
    return size && size->fixed > 0 && need.min <= 0 &&
           need.max >= size->fixed - 1;
  }

  // out = x * scale + bias, or (x + bias) * scale.
  bool ThroughScale(const Operator& op, const std::optional<Use>& x,
                    Need need) {
    if (IsGiven(op, "ScaleTensor") || !x) return false;
    const std::optional<int64_t> scale = Whole(RealOf(op, "scale", 1));
    std::optional<int64_t> bias = Whole(RealOf(op, "bias", 0));
    if (!scale || !bias || *scale == 0) return false;
    const bool after = NumberOf(op, "bias_after_scale", 1) != 0;
    if (*scale == 1) {
      need.min = Plus(need.min, -*bias);
      need.max = need.of ? need.max - *bias : Plus(need.max, -*bias);
      // A real number may be rounded up, to the next whole one.
      return Holds(x, need) && (!IsReal(*x) || *bias == 0);
    }
    // Of a real number between two whole ones, what is cut off is multiplied.
    if (need.of || IsReal(*x)) return false;
    if (after) {
      need.min = Plus(need.min, -*bias);
      need.max = Plus(need.max, -*bias);
    }
    if (need.min == kLowest || need.max == kHighest) return false;
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
    return Holds(x, need);
  }

  // A bound that is within what is wanted leaves that side free.
  bool ThroughClip(const Operator& op, const std::optional<Use>& x, Need need) {
    if (!x || IsGiven(op, "Min") || IsGiven(op, "Max") || need.of) return false;
    const double min = RealOf(op, "min", -INFINITY);
    const double max = RealOf(op, "max", INFINITY);
    // What is beyond a bound becomes the bound.
    if (min > static_cast<double>(need.max) ||
        max < static_cast<double>(need.min)) {
      return false;
    }
    if (min >= static_cast<double>(need.min)) need.min = kLowest;
    if (max <= static_cast<double>(need.max)) need.max = kHighest;
    // NaN is within no bounds and stays what it is.
    if (need.min == kLowest && need.max == kHighest) return !IsReal(*x);
    return Holds(x, need);
  }

  bool ThroughSlice(const Operator& op, const std::optional<Use>& x,
                    Need need) {
    for (const char* list :
         {"StartsTensor", "EndsTensor", "StartsTensorList", "EndsTensorList"}) {
      if (IsGiven(op, list)) return false;
    }
    const std::vector<int64_t> axes = NumbersOf(op, "axes");
    const std::vector<int64_t> starts = NumbersOf(op, "starts");
    const std::vector<int64_t> ends = NumbersOf(op, "ends");
    if (!x || axes.size() != starts.size() || axes.size() != ends.size()) {
      return false;
    }
    // The parts of what is made are counted from where the slice begins.
    if (!need.parts.empty()) return false;
    for (size_t i = 0; i < axes.size(); ++i) {
      const std::vector<int64_t>& dims = x->variable->tensor->dims;
      int64_t axis = axes[i];
      if (axis < 0) axis += static_cast<int64_t>(dims.size());
      if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) return false;
      int64_t begin = starts[i];
      int64_t end = ends[i];
      if (dims[axis] >= 0) {
        if (begin < 0) begin += dims[axis];
        if (end < 0) end += dims[axis];
        if (begin <= 0 && end >= dims[axis]) continue;
      }
      // Counted from an end that is not known.
      if (begin < 0 || end < 0) return false;
      need.parts.push_back({static_cast<size_t>(axis), begin, end});
    }
    return Holds(x, need);
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

  bool ThroughSplit(const Operator& op, const std::optional<Use>& x,
                    const Use& use, Need need) {
    const std::optional<size_t> place = Place(op, "Out", use.name);
    if (!x || !place || !need.parts.empty() || IsGiven(op, "AxisTensor") ||
        IsGiven(op, "SectionsTensorList")) {
      return false;
    }
    const std::vector<int64_t>& dims = x->variable->tensor->dims;
    int64_t axis = NumberOf(op, "axis", 0);
    if (axis < 0) axis += static_cast<int64_t>(dims.size());
    if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) return false;
    std::vector<int64_t> sections = NumbersOf(op, "sections");
    const int64_t count = NumberOf(op, "num", 0);
    if (sections.empty() && count > 0 && dims[axis] > 0) {
      sections.assign(op.outputs.at("Out").size(), dims[axis] / count);
    }
    if (*place >= sections.size()) return false;
    int64_t begin = 0;
    for (size_t i = 0; i <= *place; ++i) {
      if (sections[i] < 0) return false;
      if (i < *place) begin += sections[i];
    }
    need.parts = {{static_cast<size_t>(axis), begin, begin + sections[*place]}};
    return Holds(x, need);
  }

  bool ThroughUnbind(const Operator& op, const std::optional<Use>& x,
                     const Use& use, Need need) {
    const std::optional<size_t> place =
        Place(op, op.type == "unbind" ? "Out" : "Y", use.name);
    if (!x || !place || !need.parts.empty()) return false;
    int64_t axis = NumberOf(op, "axis", 0);
    const auto rank = static_cast<int64_t>(x->variable->tensor->dims.size());
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return false;
    const auto begin = static_cast<int64_t>(*place);
    need.parts = {{static_cast<size_t>(axis), begin, begin + 1}};
    return Holds(x, need);
  }

  bool Found(size_t input, Need need) {
    const base::ProgramType* const type =
        base::ProgramTypeOf(inputs_[input].desc.data_type);
    if (!type->type || !HasRange(*type->type)) {
      return type->type == DataType::kBool && !need.of && need.min <= 0 &&
             need.max >= 1;
    }
    need.input = input;
    found_.push_back(std::move(need));
    return true;
  }

  const std::vector<Block>& blocks_;
  const std::vector<NamedTensor>& inputs_;
  const Flow flow_;
  std::map<std::tuple<const Variable*, int64_t, int64_t,
                      std::pair<int64_t, int64_t>, bool, std::string>,
           bool>
      known_;
  size_t steps_ = 0;
  size_t depth_ = 0;
  std::vector<ValueCheck> found_;
};

}  // namespace

ValueNeeds FindValueNeeds(const std::vector<Block>& blocks,
                          const std::vector<NamedTensor>& inputs) {
  return Walk(blocks, inputs).Needs();
}

}  // namespace engine
