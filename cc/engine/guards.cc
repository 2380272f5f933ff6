#include "cc/engine/guards.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/engine/protobuf_reader.h"
#include "cc/engine/protobuf_writer.h"

namespace engine {
namespace {

// Fields of ProgramDesc, BlockDesc and OpDesc; OpDesc.Attr's types are numbered
// as the enum AttrType, which has a field for each.
constexpr uint32_t kBlocks = 1;
constexpr uint32_t kVars = 3;
constexpr uint32_t kOps = 4;
constexpr uint32_t kInputs = 1;

std::string Attribute(const std::string& name, int type,
                      const std::string& value) {
  return Bytes(4, Bytes(1, name) + Number(2, type) + value);
}
std::string IntAttribute(const std::string& name, int64_t value) {
  return Attribute(name, 0, Number(3, value));
}
std::string RealAttribute(const std::string& name, float value) {
  return Attribute(name, 1, Real(4, value));
}
std::string TextAttribute(const std::string& name, const std::string& value) {
  return Attribute(name, 2, Bytes(5, value));
}
std::string IntsAttribute(const std::string& name, int64_t value) {
  return Attribute(name, 3, Number(6, value));
}

// OpDesc.Var
std::string Given(const std::string& parameter,
                  const std::vector<std::string>& names) {
  std::string bytes = Bytes(1, parameter);
  for (const std::string& name : names) bytes += Bytes(2, name);
  return bytes;
}

// What is added to a block for one lookup: variables, and operators before the
// one that looks up.
class Weaver {
 public:
  Weaver(const Lookup& lookup, const std::string& prefix, const Block& block,
         const Variable& index, std::map<std::string, std::string>* errors)
      : lookup_(lookup),
        prefix_(prefix),
        errors_(*errors),
        op_(block.operators[lookup.op]),
        name_(op_.inputs.at(lookup.parameter)[lookup.position]),
        dims_(index.tensor->dims),
        type_(index.tensor->data_type) {}

  // Returns the variable to look up in place of the index.
  std::string Weave() {
    std::string index = name_;
    // Others are not clipped, and whoever looks them up takes these as well.
    if (type_ != kInt32Element && type_ != kInt64Element) {
      index = Cast(name_, type_, dims_, "whole");
      type_ = kInt64Element;
    }
    const size_t columns = lookup_.extents.size();
    if (columns == 1) return Hold(index, dims_, lookup_.extents[0], -1);
    const auto last = static_cast<int64_t>(dims_.size()) - 1;
    std::vector<int64_t> dims = dims_;
    dims.back() = 1;
    std::vector<std::string> held;
    for (size_t i = 0; i < columns; ++i) {
      const auto column = static_cast<int64_t>(i);
      const std::string part = Slice(index, type_, dims, last, column, "",
                                     absl::StrCat("column", column));
      held.push_back(Hold(part, dims, lookup_.extents[i], column));
    }
    const std::string all = Declare("held", type_, dims_);
    Add("concat", {{"X", held}}, "Out", all, IntAttribute("axis", last));
    return all;
  }

  const std::string& variables() const { return variables_; }
  const std::string& operators() const { return operators_; }

 private:
  using Inputs = std::vector<std::pair<std::string, std::vector<std::string>>>;

  std::string Declare(const std::string& what, int type,
                      const std::vector<int64_t>& dims) {
    const std::string name = absl::StrCat(prefix_, ".", what);
    std::string tensor = Number(1, type);
    for (const int64_t dim : dims) tensor += Number(2, dim);
    variables_ +=
        Bytes(kVars, Bytes(1, name) + Bytes(2, Number(1, kLodTensor) +
                                                   Bytes(3, Bytes(1, tensor))));
    return name;
  }

  void Add(const std::string& type, const Inputs& inputs,
           const std::string& parameter, const std::string& output,
           const std::string& attributes = "") {
    std::string op;
    for (const auto& [name, given] : inputs) {
      op += Bytes(kInputs, Given(name, given));
    }
    if (!output.empty()) op += Bytes(2, Given(parameter, {output}));
    operators_ += Bytes(kOps, op + Bytes(3, type) + attributes);
  }

  std::string Cast(const std::string& from, int type,
                   const std::vector<int64_t>& dims, const std::string& what) {
    const std::string to = Declare(what, kInt64Element, dims);
    Add("cast", {{"X", {from}}}, "Out", to,
        IntAttribute("in_dtype", type) +
            IntAttribute("out_dtype", kInt64Element));
    return to;
  }

  std::string Slice(const std::string& from, int type,
                    const std::vector<int64_t>& dims, int64_t axis,
                    int64_t begin, const std::string& attributes,
                    const std::string& what) {
    const std::string to = Declare(what, type, dims);
    Add("slice", {{"Input", {from}}}, "Out", to,
        IntsAttribute("axes", axis) + IntsAttribute("starts", begin) +
            IntsAttribute("ends", begin + 1) + IntsAttribute("infer_flags", 1) +
            attributes);
    return to;
  }

  std::string Constant(int64_t value, const std::string& what) {
    const std::string name = Declare(what, kInt64Element, {});
    // Numbers beyond 2^24 are exact as text only.
    Add("fill_constant", {}, "Out", name,
        Attribute("shape", 11, "") + IntAttribute("dtype", kInt64Element) +
            RealAttribute("value", 0) +
            TextAttribute("str_value", absl::StrCat(value)));
    return name;
  }

  std::string Scaled(const std::string& from, float scale, float bias,
                     const std::string& what) {
    const std::string to = Declare(what, kInt64Element, {});
    Add("scale", {{"X", {from}}}, "Out", to,
        RealAttribute("scale", scale) + RealAttribute("bias", bias));
    return to;
  }

  // The least and the greatest value, as variables; "": the least is 0.
  std::pair<std::string, std::string> Bounds(const std::string& index,
                                             const Extent& extent,
                                             const std::string& of) {
    const bool wraps = lookup_.takes == Takes::kWrapping;
    const int64_t last = lookup_.takes == Takes::kLength ? 0 : -1;
    if (extent.size >= 0) {
      return {wraps ? Constant(-extent.size, of + "least") : "",
              Constant(extent.size + last, of + "greatest")};
    }
    const std::string shape = Declare(of + "shape", kInt32Element, {-1});
    Add("shape", {{"Input", {extent.table}}}, "Out", shape);
    const std::string size =
        Cast(Slice(shape, kInt32Element, {}, 0, extent.axis,
                   IntsAttribute("decrease_axis", 0), of + "dimension"),
             kInt32Element, {}, of + "size");
    const std::string least = wraps ? Scaled(size, -1, 0, of + "least") : "";
    if (lookup_.takes == Takes::kLength) return {least, size};
    // Of a table without rows the greatest is -1, below the least, and clip
    // refuses that; but where nothing is looked up in it, it is 0.
    const std::string count = Declare(of + "count", kInt64Element, {});
    Add("size", {{"Input", {index}}}, "Out", count);
    const std::string greatest = Declare(of + "greatest", kInt64Element, {});
    std::string& empty = errors_[kEmptyTable];
    absl::StrAppend(&empty,
                    empty.empty() ? "a dimension is 0 in this run, and "
                                    "something leads into it: it is one of "
                                  : ", ",
                    DimensionOf(extent), " (operator ", op_.type, ")");
    Add("elementwise_max",
        {{"X", {Scaled(size, 1, -1, of + "last")}},
         {"Y", {Scaled(count, -1, 0, of + "uncount")}}},
        "Out", greatest, IntAttribute("axis", -1));
    return {least, greatest};
  }

  std::string Hold(const std::string& index, const std::vector<int64_t>& dims,
                   const Extent& extent, int64_t column) {
    const std::string of =
        column < 0 ? "" : absl::StrCat("column", column, ".");
    const auto [least, greatest] = Bounds(index, extent, of);
    const std::string held = Declare(of + "clipped", type_, dims);
    Inputs inputs = {{"X", {index}}, {"Max", {greatest}}};
    if (!least.empty()) inputs.push_back({"Min", {least}});
    Add("clip", inputs, "Out", held,
        RealAttribute("min", 0) + RealAttribute("max", 0));
    const std::string fits = Declare(of + "fits", kBoolElement, {});
    Add("equal_all", {{"X", {index}}, {"Y", {held}}}, "Out", fits);
    Add("assert", {{"Cond", {fits}}, {"Data", {}}}, "", "");
    errors_[fits] =
        Error(extent, column < 0 ? "" : absl::StrCat("[..., ", column, "]"));
    return held;
  }

  std::string Error(const Extent& extent, const std::string& column) const {
    const int64_t last =
        extent.size - (lookup_.takes == Takes::kLength ? 0 : 1);
    const std::string takes =
        extent.size >= 0
            ? absl::StrCat(lookup_.takes == Takes::kWrapping ? -extent.size : 0,
                           " to ", last, " (", ReasonOf(lookup_, extent.size),
                           ")")
            : absl::StrCat("what leads into ", DimensionOf(extent),
                           ", whose size the run decides (", lookup_.what, ")");
    return absl::StrCat("operator ", op_.type, ": an element of ", name_,
                        column, " is out of range, the model takes ", takes);
  }

  static std::string DimensionOf(const Extent& extent) {
    return absl::StrCat("dimension ", extent.axis, " of ", extent.table);
  }

  const Lookup& lookup_;
  const std::string prefix_;
  std::map<std::string, std::string>& errors_;
  const Operator& op_;
  const std::string name_;
  const std::vector<int64_t> dims_;
  int type_;
  std::string variables_;
  std::string operators_;
};

// An OpDesc in which one of the names given for a parameter is replaced.
std::string Replaced(std::string_view op, const Lookup& lookup,
                     const std::string& name) {
  MessageReader reader(op);
  Field field;
  std::string bytes;
  size_t position = 0;
  while (reader.Next(&field)) {
    if (field.id != kInputs) {
      bytes += field.whole;
      continue;
    }
    MessageReader inputs(field.bytes);
    Field given;
    std::string parameter;
    std::vector<std::string> names;
    while (inputs.Next(&given)) {
      if (given.id == 1) parameter = std::string(given.bytes);
      if (given.id == 2) names.emplace_back(given.bytes);
    }
    if (parameter == lookup.parameter) {
      for (std::string& one : names) {
        if (position++ == lookup.position) one = name;
      }
    }
    bytes += Bytes(kInputs, Given(parameter, names));
  }
  return bytes;
}

// A begin of names that no variable has.
std::string Prefix(const std::vector<Block>& blocks) {
  std::string prefix = "guard";
  for (const Block& block : blocks) {
    for (const auto& [name, variable] : block.variables) {
      while (absl::StartsWith(name, prefix)) prefix += '_';
    }
  }
  return prefix;
}

}  // namespace

Guarded AddGuards(std::string_view program, const std::vector<Block>& blocks,
                  const std::vector<Lookup>& lookups) {
  const std::string prefix = Prefix(blocks);
  Guarded guarded;
  size_t next = 0;  // of the lookups, which are in the program's order
  size_t block = 0;
  MessageReader reader(program);
  Field field;
  while (reader.Next(&field)) {
    if (field.id != kBlocks) {
      guarded.program += field.whole;
      continue;
    }
    std::string bytes;
    std::string variables;
    size_t op = 0;
    MessageReader parts(field.bytes);
    Field part;
    while (parts.Next(&part)) {
      if (part.id != kOps) {
        bytes += part.whole;
        continue;
      }
      std::string own(part.bytes);
      for (; next < lookups.size() && lookups[next].block == block &&
             lookups[next].op == op;
           ++next) {
        const Lookup& lookup = lookups[next];
        const auto& given = blocks[block].operators[op].inputs;
        Weaver weaver(
            lookup, absl::StrCat(prefix, next), blocks[block],
            *FindVariable(blocks, blocks[block],
                          given.at(lookup.parameter)[lookup.position]),
            &guarded.errors);
        own = Replaced(own, lookup, weaver.Weave());
        bytes += weaver.operators();
        variables += weaver.variables();
      }
      bytes += Bytes(kOps, own);
      ++op;
    }
    guarded.program += Bytes(kBlocks, bytes + variables);
    ++block;
  }
  return guarded;
}

}  // namespace engine
