#include "cc/engine/lookups.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engine {
namespace {

constexpr char kRow[] = "row of an embedding table";

// An operator that looks `index` up in a dimension of `table`.
struct Rule {
  const char* op;
  const char* index;
  const char* table;
  const char* axis_attribute;  // nullptr: the axis is always `axis`
  int64_t axis;
  const char* what = "index";
  Takes takes = Takes::kIndex;
};

constexpr Rule kRules[] = {
    {"gather", "Index", "X", "axis", 0},
    {"edit_distance", "HypsLength", "Hyps", nullptr, 1, "length",
     Takes::kLength},
    {"edit_distance", "RefsLength", "Refs", nullptr, 1, "length",
     Takes::kLength},
    {"gather_tree", "Parents", "Ids", nullptr, 2, "beam"},
    {"graph_send_recv", "Src_index", "X", nullptr, 0},
    {"graph_send_ue_recv", "Src_index", "X", nullptr, 0},
    {"graph_send_uv", "dst_index", "y", nullptr, 0},
    {"graph_send_uv", "src_index", "x", nullptr, 0},
    {"index_add", "Index", "X", "axis", 0},
    {"index_sample", "Index", "X", nullptr, 1},
    {"index_select", "Index", "X", "dim", 0},
    {"lookup_table", "Ids", "W", nullptr, 0, kRow},
    {"lookup_table_v2", "Ids", "W", nullptr, 0, kRow},
    {"put_along_axis", "Index", "Input", "Axis", 0},
    // Time comes first: the layers turn what comes batch first.
    {"rnn", "SequenceLength", "Input", nullptr, 0, "length", Takes::kLength},
    {"scatter", "Ids", "X", nullptr, 0},
    {"take_along_axis", "Index", "Input", "Axis", 0},
    {"viterbi_decode", "Length", "Input", nullptr, 1, "length", Takes::kLength},
    // Its tables of labels are as wide as the last dimension.
    {"warpctc", "Label", "Logits", nullptr, -1, "label"},
    {"warpctc", "LabelLength", "Label", nullptr, 1, "length", Takes::kLength},
    {"warpctc", "LogitsLength", "Logits", nullptr, 0, "length", Takes::kLength},
};

class Finder {
 public:
  explicit Finder(const std::vector<Block>& blocks) : blocks_(blocks) {}

  std::vector<Lookup> Find() {
    for (block_ = 0; block_ < blocks_.size(); ++block_) {
      const std::vector<Operator>& operators = blocks_[block_].operators;
      for (op_ = 0; op_ < operators.size(); ++op_) Add(operators[op_]);
    }
    return std::move(found_);
  }

 private:
  void Add(const Operator& op) {
    // The axis is what a tensor says.
    if (op.type == "gather" && IsGiven(op, "Axis")) return;
    for (const Rule& rule : kRules) {
      if (op.type != rule.op) continue;
      const int64_t axis = rule.axis_attribute == nullptr
                               ? rule.axis
                               : NumberOf(op, rule.axis_attribute, rule.axis);
      Index(op, rule.index, 0, rule.table, axis, rule.what, rule.takes);
    }
    if (op.type == "gather_nd" || op.type == "scatter_nd_add") {
      EachColumn(op);
    } else if (op.type == "index_put") {
      for (size_t i = 0;; ++i) {
        const Variable* const index = Input(op, "indices", i);
        // A mask in place of indices may stand for several dimensions.
        if (index == nullptr || index->tensor->data_type == kBoolElement) break;
        Index(op, "indices", i, "x", static_cast<int64_t>(i), "index",
              Takes::kWrapping);
      }
    } else if (op.type == "multiplex") {
      const auto given = op.inputs.find("X");
      if (given != op.inputs.end()) {
        OneOf(op, "Ids", static_cast<int64_t>(given->second.size()),
              "one of the tensors");
      }
    } else if (op.type == "one_hot" || op.type == "one_hot_v2") {
      if (!IsGiven(op, "depth_tensor") &&
          NumberOf(op, "allow_out_of_range", 0) == 0) {
        OneOf(op, "X", NumberOf(op, "depth", -1), "class of a one-hot vector");
      }
    } else if (op.type == "unpool" || op.type == "unpool3d") {
      if (!IsGiven(op, "output_size")) Pixel(op);
    } else if (op.type == "graph_send_ue_recv" && !IsGiven(op, "Out_size")) {
      const std::vector<int64_t> rows = NumbersOf(op, "out_size");
      if (!rows.empty() && rows[0] > 0) {
        OneOf(op, "Dst_index", rows[0], "row of the output");
      } else {
        Index(op, "Dst_index", 0, "X", 0, "index", Takes::kIndex);
      }
    }
  }

  // nullptr: there is none, or it is no tensor.
  const Variable* Input(const Operator& op, const std::string& parameter,
                        size_t position = 0) const {
    const auto given = op.inputs.find(parameter);
    if (given == op.inputs.end() || position >= given->second.size()) {
      return nullptr;
    }
    const Variable* const variable =
        FindVariable(blocks_, blocks_[block_], given->second[position]);
    return variable != nullptr && variable->tensor ? variable : nullptr;
  }

  // A dimension of what is given for `table`.
  std::optional<Extent> ExtentOf(const Operator& op, const std::string& table,
                                 int64_t axis) const {
    const Variable* const variable = Input(op, table);
    if (variable == nullptr) return std::nullopt;
    const auto rank = static_cast<int64_t>(variable->tensor->dims.size());
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return std::nullopt;
    return Extent{op.inputs.at(table)[0], axis, -1};
  }

  void Index(const Operator& op, const std::string& parameter, size_t position,
             const std::string& table, int64_t axis, const std::string& what,
             Takes takes) {
    std::optional<Extent> extent = ExtentOf(op, table, axis);
    if (Input(op, parameter, position) == nullptr || !extent) return;
    found_.push_back(
        {block_, op_, parameter, position, takes, what, {*std::move(extent)}});
  }

  // Each column of the last dimension looks up in a dimension of its own.
  void EachColumn(const Operator& op) {
    const Variable* const index = Input(op, "Index");
    if (index == nullptr || index->tensor->dims.empty()) return;
    std::vector<Extent> extents;
    for (int64_t column = 0; column < index->tensor->dims.back(); ++column) {
      std::optional<Extent> extent = ExtentOf(op, "X", column);
      if (!extent) return;
      extents.push_back(*std::move(extent));
    }
    if (extents.empty()) return;
    found_.push_back(
        {block_, op_, "Index", 0, Takes::kIndex, "index", std::move(extents)});
  }

  // Of an image, or a volume, of the size that the operator makes.
  void Pixel(const Operator& op) {
    const size_t axes = op.type == "unpool" ? 2 : 3;
    const std::vector<int64_t> size = NumbersOf(op, "output_size");
    if (size.size() < axes) return;
    int64_t count = 1;
    for (size_t i = size.size() - axes; i < size.size(); ++i) {
      if (size[i] <= 0 || __builtin_mul_overflow(count, size[i], &count)) {
        return;
      }
    }
    OneOf(op, "Indices", count, "pixel");
  }

  void OneOf(const Operator& op, const std::string& parameter, int64_t count,
             const std::string& what) {
    if (Input(op, parameter) == nullptr || count < 1) return;
    found_.push_back(
        {block_, op_, parameter, 0, Takes::kIndex, what, {{"", 0, count}}});
  }

  const std::vector<Block>& blocks_;
  size_t block_ = 0;
  size_t op_ = 0;
  std::vector<Lookup> found_;
};

}  // namespace

std::string ReasonOf(const Lookup& lookup, int64_t size) {
  if (lookup.extents[0].table.empty()) {
    return absl::StrCat(lookup.what, ", of ", size);
  }
  return lookup.what == kRow
             ? absl::StrCat(lookup.what, " of ", size, " rows")
             : absl::StrCat(lookup.what, " in a dimension of ", size);
}

std::string ReasonOf(const Lookup& lookup, const std::string& dimension) {
  return absl::StrCat(lookup.what, lookup.what == kRow ? ", which is " : " in ",
                      dimension);
}

std::vector<Lookup> FindLookups(const std::vector<Block>& blocks) {
  return Finder(blocks).Find();
}

}  // namespace engine
