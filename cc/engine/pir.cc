#include "cc/engine/pir.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cc/base/data_type.h"
#include "cc/base/text.h"
#include "cc/engine/json_reader.h"
#include "cc/engine/lookups.h"
#include "cc/engine/pir_operators.h"
#include "cc/engine/program_desc.h"
#include "cc/engine/value_ranges.h"

namespace engine {
namespace {

// Dialects, by whose number names in a file begin.
constexpr absl::string_view kBuiltin = "0.";
constexpr absl::string_view kPaddle = "1.";
constexpr absl::string_view kControl = "2.";

// Within what an int64_t has.
constexpr double kMostWhole = 9e18;

// The element types, and VarType.Type of a ProgramDesc for each; -1: of no
// model here.
constexpr std::pair<absl::string_view, int> kElements[] = {
    {"0.t_bool", 0},   {"0.t_i16", 1},       {"0.t_i32", 2},
    {"0.t_i64", 3},    {"0.t_f16", 4},       {"0.t_f32", 5},
    {"0.t_f64", 6},    {"0.t_ui8", 20},      {"0.t_i8", 21},
    {"0.t_bf16", 22},  {"0.t_c64", 23},      {"0.t_c128", 24},
    {"0.t_index", -1}, {"0.t_f8e4m3fn", -1}, {"0.t_f8e5m2", -1},
};

// What an attribute of element type is called, and its VarType.Type, as above.
constexpr std::pair<absl::string_view, int> kElementNames[] = {
    {"bool", 0},
    {"int16", 1},
    {"int32", 2},
    {"int64", 3},
    {"float16", 4},
    {"float32", 5},
    {"float64", 6},
    {"uint8", 20},
    {"int8", 21},
    {"bfloat16", 22},
    {"complex64", 23},
    {"complex128", 24},
    {"float8_e4m3fn", -1},
    {"float8_e5m2", -1},
    {"pstring", -1},
    {"uint16", -1},
    {"uint32", -1},
    {"uint64", -1},
    {"Undefined(ALL_DTYPE)", -1},
};

// A value of JSON.
struct Node {
  enum Kind { kObject, kArray, kText, kWord };
  Kind kind = kWord;
  std::string text;  // of a text; or the word: a number, true, false, null
  std::vector<std::pair<std::string, Node>> members;
  std::vector<Node> elements;

  const Node* Find(absl::string_view name) const {
    for (const auto& [key, value] : members) {
      if (key == name) return &value;
    }
    return nullptr;
  }
  // nullptr: there is none, or it is of another kind.
  const Node* Find(absl::string_view name, Kind kind_wanted) const {
    const Node* const found = Find(name);
    return found != nullptr && found->kind == kind_wanted ? found : nullptr;
  }
  std::optional<int64_t> Whole() const {
    int64_t number = 0;
    if (kind != kWord || !absl::SimpleAtoi(text, &number)) return std::nullopt;
    return number;
  }
  std::optional<double> Real() const {
    double number = 0;
    if (kind != kWord || !absl::SimpleAtod(text, &number)) return std::nullopt;
    return number;
  }
};

bool ReadNode(Json* json, Node* node) {
  switch (json->Next()) {
    case '{': {
      node->kind = Node::kObject;
      std::set<std::string> names;
      return json->Object([&](const std::string& name) {
        // Of a name that is there twice, readers take one or the other.
        if (!names.insert(name).second) return false;
        return ReadNode(json, &node->members.emplace_back(name, Node()).second);
      });
    }
    case '[':
      node->kind = Node::kArray;
      return json->Array(
          [&] { return ReadNode(json, &node->elements.emplace_back()); });
    case '"':
      node->kind = Node::kText;
      return json->String(&node->text);
    default:
      return json->Word(&node->text);
  }
}

// The type of a value: of one tensor, of several, or of what no model here
// computes with.
struct Type {
  std::optional<TensorDesc> tensor;
  int lod_level = 0;
  bool several = false;
};

std::optional<int> ElementOf(const Node& node) {
  const Node* const name = node.Find("#", Node::kText);
  if (name == nullptr) return std::nullopt;
  for (const auto& [known, number] : kElements) {
    if (name->text == known) return number;
  }
  return std::nullopt;
}

// By Paddle's names.
bool IsLayout(const Node& node) {
  static const std::set<absl::string_view> kLayouts = {
      "NCHW",       "NHWC",    "NCDHW",
      "NDHWC",      "ONEDNN",  "SPARSE_COO",
      "SPARSE_CSR", "STRIDED", "Undefined(AnyLayout)"};
  return node.kind == Node::kText && kLayouts.count(node.text) > 0;
}

// [element type, dimensions, layout, offsets (LoD), where the offsets begin]
bool ReadTensor(const Node& node, Type* type) {
  if (node.kind != Node::kArray || node.elements.size() != 5) return false;
  const std::optional<int> element = ElementOf(node.elements[0]);
  const Node& dims = node.elements[1];
  const Node& lod = node.elements[3];
  if (!element || dims.kind != Node::kArray || !IsLayout(node.elements[2]) ||
      lod.kind != Node::kArray || !node.elements[4].Whole()) {
    return false;
  }
  TensorDesc desc{*element, {}};
  for (const Node& dim : dims.elements) {
    const std::optional<int64_t> size = dim.Whole();
    if (!size || *size < -1 || *size > std::numeric_limits<int32_t>::max()) {
      return false;
    }
    desc.dims.push_back(*size);
  }
  for (const Node& level : lod.elements) {
    if (level.kind != Node::kArray) return false;
    for (const Node& offset : level.elements) {
      if (!offset.Whole()) return false;
    }
  }
  type->lod_level = static_cast<int>(lod.elements.size());
  if (*element >= 0) type->tensor = std::move(desc);
  return true;
}

bool ReadType(const Node& node, Type* type) {
  // Of what an operator does without, Paddle tells no type.
  if (node.kind == Node::kWord) return node.text == "null";
  if (node.kind != Node::kObject) return false;
  const Node* const name = node.Find("#", Node::kText);
  if (name == nullptr) return false;
  const Node* const told = node.Find("D");
  if (name->text == "0.t_dtensor") return told && ReadTensor(*told, type);
  if (name->text == "0.t_vec") {
    type->several = true;
    if (told == nullptr || told->kind != Node::kArray) return false;
    return std::all_of(told->elements.begin(), told->elements.end(),
                       [](const Node& one) {
                         Type ignored;
                         return ReadType(one, &ignored);
                       });
  }
  return absl::StrContains(name->text, ".t_");
}

// {"#": type, "D": value}; "VD" stands for a real number that JSON lacks.
bool ReadAttribute(const Node& node, Attribute* attribute, std::string* text) {
  const Node* const name = node.Find("#", Node::kText);
  const Node* const value = node.Find("D");
  if (node.kind != Node::kObject || name == nullptr) return false;
  const std::string& type = name->text;
  const auto list = [&](const Node& all, auto take) {
    if (all.kind != Node::kArray) return false;
    bool good = true;
    for (const Node& one : all.elements) good = good && take(one);
    return good;
  };
  if (type == "0.a_f32" || type == "0.a_f64") {
    if (node.Find("VD", Node::kText) != nullptr) {
      attribute->real = std::numeric_limits<double>::quiet_NaN();
      return value == nullptr;
    }
    const std::optional<double> real =
        value != nullptr ? value->Real() : std::nullopt;
    attribute->real = real.value_or(0);
    return real.has_value();
  }
  if (value == nullptr) {
    // Types that have no value, as that of no attribute.
    static const std::set<absl::string_view> kValued = {
        "0.a_array", "0.a_bool",  "0.a_i32",      "0.a_i64",  "0.a_index",
        "0.a_str",   "1.a_dtype", "1.a_intarray", "1.a_place"};
    return kValued.count(type) == 0 && absl::StrContains(type, ".a_");
  }
  if (type == "0.a_bool") {
    attribute->number = value->text == "true" ? 1 : 0;
    return value->kind == Node::kWord &&
           (value->text == "true" || value->text == "false");
  }
  if (type == "0.a_i32" || type == "0.a_i64" || type == "0.a_index") {
    const std::optional<int64_t> whole = value->Whole();
    attribute->number = whole.value_or(0);
    attribute->real = static_cast<double>(attribute->number);
    return whole &&
           (type != "0.a_i32" || *whole == static_cast<int32_t>(*whole));
  }
  if (type == "0.a_str") {
    *text = value->text;
    return value->kind == Node::kText;
  }
  if (type == "0.a_array") {
    return list(*value, [&](const Node& one) {
      Attribute element;
      std::string ignored;
      if (!ReadAttribute(one, &element, &ignored)) return false;
      attribute->numbers.push_back(element.number);
      return true;
    });
  }
  if (type == "1.a_intarray") {
    return list(*value, [&](const Node& one) {
      const std::optional<int64_t> whole = one.Whole();
      attribute->numbers.push_back(whole.value_or(0));
      return whole.has_value();
    });
  }
  if (type == "1.a_dtype") {
    for (const auto& [known, number] : kElementNames) {
      if (value->text != known) continue;
      attribute->number = number;
      return value->kind == Node::kText;
    }
    return false;
  }
  if (type == "1.a_place") {
    return value->kind == Node::kArray && value->elements.size() == 3 &&
           value->elements[0].Whole() && value->elements[1].Whole() &&
           value->elements[2].kind == Node::kText;
  }
  return absl::StrContains(type, ".a_");
}

// The attributes of an operator, or of its results, and those that are texts.
struct Attributes {
  std::map<std::string, Attribute> all;
  std::map<std::string, std::string> texts;
};

bool ReadAttributes(const Node* list, Attributes* attributes) {
  if (list == nullptr) return false;
  for (const Node& one : list->elements) {
    const Node* const name = one.Find("N", Node::kText);
    const Node* const value = one.Find("AT");
    if (name == nullptr || value == nullptr) return false;
    Attribute attribute;
    std::string text;
    if (!ReadAttribute(*value, &attribute, &text) ||
        !attributes->all.emplace(name->text, std::move(attribute)).second) {
      return false;
    }
    if (!text.empty()) attributes->texts[name->text] = std::move(text);
  }
  return true;
}

// A value of the program that an operator, or a block, has made.
struct Value {
  std::string name;  // of its variable
  Type type;
  std::vector<std::string> several;  // what one of several is made of
  std::optional<Attribute> constant;
};

class Reader {
 public:
  absl::StatusOr<Signature> Read(const Node& root) {
    const Node* const head = root.Find("base_code", Node::kObject);
    const Node* const magic =
        head != nullptr ? head->Find("magic", Node::kText) : nullptr;
    if (magic == nullptr || magic->text != "pir") {
      return absl::DataLossError("it is no program of Paddle 3");
    }
    const Node* const version = head->Find("version");
    if (version == nullptr || !version->Whole() || *version->Whole() < 0) {
      return Damaged("version of the format");
    }
    const Node* const program = root.Find("program", Node::kObject);
    if (program == nullptr) return Damaged("program");
    absl::Status status = ReadRegions(*program, /*parent=*/-1);
    if (!status.ok()) return status;
    if (blocks_.size() < 1) return Damaged("program: it has no block");
    if (blocks_.size() != 1 + inner_) {
      return Damaged("program: it has several blocks");
    }
    return Judge();
  }

 private:
  absl::Status ReadRegions(const Node& owner, int64_t parent) {
    const Node* const regions = owner.Find("regions", Node::kArray);
    if (regions == nullptr) return Damaged("regions");
    for (const Node& region : regions->elements) {
      const Node* const blocks = region.Find("blocks", Node::kArray);
      if (region.Find("#", Node::kText) == nullptr || blocks == nullptr) {
        return Damaged("region");
      }
      for (const Node& block : blocks->elements) {
        absl::Status status = ReadBlock(block, parent);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadBlock(const Node& node, int64_t parent) {
    const Node* const arguments = node.Find("args", Node::kArray);
    const Node* const operators = node.Find("ops", Node::kArray);
    if (node.Find("#", Node::kText) == nullptr || arguments == nullptr ||
        operators == nullptr) {
      return Damaged("block");
    }
    if (parent >= 0) ++inner_;
    const size_t index = blocks_.size();
    blocks_.emplace_back();
    blocks_[index].index = static_cast<int64_t>(index);
    blocks_[index].parent = parent;
    const size_t outer = made_.size();
    for (const Node& argument : arguments->elements) {
      if (!Make(argument, "#", index)) return Damaged("argument of a block");
    }
    // Arguments by name, for those that Paddle gives so.
    if (const Node* const named = node.Find("kwargs")) {
      if (named->kind != Node::kObject) return Damaged("block");
      for (const auto& [name, argument] : named->members) {
        if (!Make(argument, "#", index)) return Damaged("argument of a block");
      }
    }
    for (const Node& op : operators->elements) {
      absl::Status status = ReadOperator(op, index);
      if (!status.ok()) return status;
    }
    // An outer block sees nothing of this one.
    for (size_t i = outer; i < made_.size(); ++i) values_.erase(made_[i]);
    made_.resize(outer);
    return absl::OkStatus();
  }

  // A value that comes to be, {"%" or "#": number, "TT": type}; nullptr: it is
  // malformed, or there already. A result that nobody has is 0.
  Value* Make(const Node& node, absl::string_view key, size_t block,
              const std::string& name = "") {
    if (node.kind != Node::kObject) return nullptr;
    const Node* const number = node.Find(key);
    const Node* const type = node.Find("TT");
    if (number == nullptr || !number->Whole() || *number->Whole() == 0 ||
        type == nullptr) {
      return nullptr;
    }
    const int64_t id = *number->Whole();
    if (!known_.insert(id).second) return nullptr;
    Value value;
    value.name = name.empty() ? absl::StrCat("%", id) : name;
    if (!ReadType(*type, &value.type)) return nullptr;
    Variable variable;
    variable.kind = kLodTensor;
    variable.tensor = value.type.tensor;
    variable.lod_level = value.type.lod_level;
    if (!blocks_[block].variables.emplace(value.name, variable).second) {
      return nullptr;
    }
    made_.push_back(id);
    return &(values_[id] = std::move(value));
  }

  absl::Status ReadOperator(const Node& node, size_t block) {
    const Node* const name = node.Find("#", Node::kText);
    if (node.kind != Node::kObject || name == nullptr) {
      return Damaged("operator");
    }
    const auto damaged = [&] {
      return Damaged(absl::StrCat("operator ", Quoted(name->text)));
    };
    if (name->text == "p") {
      return ReadParameter(node, block) ? absl::OkStatus() : damaged();
    }
    const Node* const operands = node.Find("I", Node::kArray);
    const Node* const results = node.Find("O", Node::kArray);
    Attributes attributes;
    Attributes of_results;
    if (operands == nullptr || results == nullptr ||
        !ReadAttributes(node.Find("A", Node::kArray), &attributes) ||
        !ReadAttributes(node.Find("OA", Node::kArray), &of_results)) {
      return damaged();
    }
    // Of each result something is told; Paddle reads as many.
    for (const auto& [key, attribute] : of_results.all) {
      if (attribute.numbers.size() != results->elements.size()) {
        return damaged();
      }
    }
    std::vector<const Value*> given;
    for (const Node& operand : operands->elements) {
      const Node* const number =
          operand.kind == Node::kObject ? operand.Find("%") : nullptr;
      if (number == nullptr || !number->Whole()) return damaged();
      const int64_t id = *number->Whole();
      const auto found = values_.find(id);
      if (id != 0 && found == values_.end()) {
        return absl::DataLossError(
            absl::StrCat("operator ", Quoted(name->text), " reads %", id,
                         ", which nothing before it makes"));
      }
      given.push_back(id == 0 ? nullptr : &found->second);
    }
    if (name->text == "1.data" || name->text == "1.feed") {
      return ReadInput(*results, attributes, block) ? absl::OkStatus()
                                                    : damaged();
    }
    std::vector<Value*> made;
    // Branches and loops are read before their results are there.
    if (node.Find("regions") != nullptr) {
      absl::Status status = ReadRegions(node, static_cast<int64_t>(block));
      if (!status.ok()) return status;
    }
    for (const Node& result : results->elements) {
      const Node* const number =
          result.kind == Node::kObject ? result.Find("%") : nullptr;
      if (number != nullptr && number->Whole() == 0) {
        made.push_back(nullptr);
        continue;
      }
      made.push_back(Make(result, "%", block));
      if (made.back() == nullptr) return damaged();
    }
    if (name->text == "1.fetch") {
      return ReadOutput(given, attributes, block) ? absl::OkStatus()
                                                  : damaged();
    }
    return Translate(name->text, given, made, std::move(attributes.all), block);
  }

  // {"#": "p", "A": [.., .., .., name], "O": value, "OA": [persistable, stops
  // gradients, trainable]}
  bool ReadParameter(const Node& node, size_t block) {
    const Node* const told = node.Find("A", Node::kArray);
    const Node* const flags = node.Find("OA", Node::kArray);
    const Node* const result = node.Find("O", Node::kObject);
    if (block != 0 || told == nullptr || told->elements.size() != 4 ||
        told->elements[3].kind != Node::kText ||
        told->elements[3].text.empty() || flags == nullptr ||
        flags->elements.size() != 3 || result == nullptr) {
      return false;
    }
    for (size_t i = 0; i < 3; ++i) {
      if (!told->elements[i].Whole() || !flags->elements[i].Whole()) {
        return false;
      }
    }
    const std::string& name = told->elements[3].text;
    const Value* const value = Make(*result, "%", block, name);
    if (value == nullptr || !value->type.tensor ||
        base::ProgramTypeOf(value->type.tensor->data_type) == nullptr) {
      return false;
    }
    blocks_[block].variables[name].persistable = true;
    signature_.parameters[name] = *value->type.tensor;
    return true;
  }

  bool ReadInput(const Node& results, const Attributes& attributes,
                 size_t block) {
    const auto name = attributes.texts.find("name");
    if (block != 0 || results.elements.size() != 1 ||
        name == attributes.texts.end() || !base::IsUtf8(name->second)) {
      return false;
    }
    for (const char* wanted : {"shape", "dtype", "place"}) {
      if (attributes.all.count(wanted) == 0 && !attributes.all.count("col")) {
        return false;
      }
    }
    const Value* const value =
        Make(results.elements[0], "%", block, name->second);
    if (value == nullptr || !value->type.tensor) return false;
    signature_.inputs.push_back(
        {value->name, *value->type.tensor, value->type.lod_level});
    return true;
  }

  bool ReadOutput(const std::vector<const Value*>& given,
                  const Attributes& attributes, size_t block) {
    const auto name = attributes.texts.find("name");
    const auto column = attributes.all.find("col");
    if (block != 0 || given.size() != 1 || given[0] == nullptr ||
        !given[0]->type.tensor || name == attributes.texts.end() ||
        !base::IsUtf8(name->second) || column == attributes.all.end()) {
      return false;
    }
    const Type& type = given[0]->type;
    return outputs_
        .emplace(column->second.number,
                 NamedTensor{name->second, *type.tensor, type.lod_level})
        .second;
  }

  // Adds an operator of a ProgramDesc, as far as the walk of values knows it.
  absl::Status Translate(const std::string& full,
                         const std::vector<const Value*>& given,
                         const std::vector<Value*>& made,
                         std::map<std::string, Attribute> attributes,
                         size_t block) {
    absl::string_view name = full;
    if (full == absl::StrCat(kBuiltin, "combine")) {
      return Combine(given, made);
    }
    if (full == absl::StrCat(kBuiltin, "split") && given.size() == 1 &&
        given[0] != nullptr && TakeApart(*given[0], made)) {
      return absl::OkStatus();
    }
    if (!absl::ConsumePrefix(&name, kPaddle) &&
        !absl::ConsumePrefix(&name, kBuiltin) &&
        !absl::ConsumePrefix(&name, kControl)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "operator ", Quoted(full), " is of none of Paddle's own dialects"));
    }
    const bool in_place = absl::ConsumeSuffix(&name, "_");
    for (const std::string_view untraced : kUntracedOperators) {
      if (name == absl::string_view(untraced.data(), untraced.size())) {
        return Unguarded(std::string(name), "index");
      }
    }
    Operator op;
    op.attributes = std::move(attributes);
    const PirOperator* known = nullptr;
    for (const PirOperator& one : kPirOperators) {
      if (name == absl::string_view(one.name.data(), one.name.size())) {
        known = &one;
      }
    }
    op.type = known != nullptr ? known->type : std::string(name);
    if (known == nullptr || !Give(*known, given, &op)) {
      op.inputs.clear();
      if (known != nullptr) op.type = absl::StrCat("unknown ", name);
      for (size_t i = 0; i < given.size(); ++i) {
        if (given[i] != nullptr)
          Append(*given[i], &op.inputs[i == 0 ? "X" : "Y"]);
      }
    }
    Remember(full, op, made);
    std::vector<std::string> parameters = absl::StrSplit(
        known != nullptr
            ? absl::string_view(known->outputs.data(), known->outputs.size())
            : "Out",
        ' ');
    for (size_t i = 0; i < made.size(); ++i) {
      if (made[i] == nullptr) continue;
      std::vector<std::string>& names =
          op.outputs[parameters[std::min(i, parameters.size() - 1)]];
      names.push_back(made[i]->name);
      if (made[i]->type.several)
        makers_[made[i]->name] = {block, blocks_[block].operators.size()};
    }
    // What works in place changes what it was given, which other operators may
    // have read under its old name.
    if (in_place) {
      for (size_t i = 0; i < given.size() && (known == nullptr || i == 0);
           ++i) {
        if (given[i] != nullptr)
          op.outputs["in place"].push_back(given[i]->name);
      }
    }
    called_[{block, blocks_[block].operators.size()}] = std::string(name);
    blocks_[block].operators.push_back(std::move(op));
    return absl::OkStatus();
  }

  static void Append(const Value& value, std::vector<std::string>* names) {
    if (value.several.empty()) {
      names->push_back(value.name);
    } else {
      names->insert(names->end(), value.several.begin(), value.several.end());
    }
  }

  // The operands as the parameters that an operator of a ProgramDesc has for
  // them; false: what must be a constant is none.
  static bool Give(const PirOperator& known,
                   const std::vector<const Value*>& given, Operator* op) {
    size_t i = 0;
    for (absl::string_view word : absl::StrSplit(
             absl::string_view(known.inputs.data(), known.inputs.size()), ' ',
             absl::SkipEmpty())) {
      if (i == given.size()) break;
      const Value* const value = given[i++];
      if (value == nullptr) continue;
      if (!absl::ConsumePrefix(&word, "@")) {
        Append(*value, &op->inputs[std::string(word)]);
        continue;
      }
      const std::pair<std::string, std::string> names =
          absl::StrSplit(word, absl::MaxSplits(':', 1));
      if (value->constant) {
        op->attributes[names.first] = *value->constant;
      } else if (!names.second.empty()) {
        Append(*value, &op->inputs[names.second]);
      } else {
        return false;
      }
    }
    const std::pair<std::string, std::string> renamed = absl::StrSplit(
        absl::string_view(known.renamed.data(), known.renamed.size()),
        absl::MaxSplits('=', 1));
    const auto found = op->attributes.find(renamed.first);
    if (found != op->attributes.end() && !renamed.second.empty()) {
      op->attributes[renamed.second] = found->second;
    }
    return true;
  }

  absl::Status Combine(const std::vector<const Value*>& given,
                       const std::vector<Value*>& made) {
    if (made.size() != 1 || made[0] == nullptr || !made[0]->type.several) {
      return Damaged("operator \"0.combine\"");
    }
    Attribute constant;
    bool all = true;
    for (const Value* value : given) {
      if (value == nullptr) return Damaged("operator \"0.combine\"");
      Append(*value, &made[0]->several);
      all = all && value->constant;
      if (all) constant.numbers.push_back(value->constant->number);
    }
    if (all) made[0]->constant = std::move(constant);
    return absl::OkStatus();
  }

  // Whether an operator has made several, and these are they.
  bool TakeApart(const Value& several, const std::vector<Value*>& made) {
    const auto maker = makers_.find(several.name);
    if (maker == makers_.end()) return false;
    const auto [block, index] = maker->second;
    if (blocks_[block].operators.size() <= index) return false;
    for (auto& [parameter, names] : blocks_[block].operators[index].outputs) {
      const auto found = std::find(names.begin(), names.end(), several.name);
      if (found == names.end()) continue;
      std::vector<std::string> parts;
      for (const Value* part : made) {
        if (part == nullptr) return false;
        parts.push_back(part->name);
      }
      names.insert(names.erase(found), parts.begin(), parts.end());
      makers_.erase(maker);
      return true;
    }
    return false;
  }

  // What a constant of the program is.
  static void Remember(const std::string& full, const Operator& op,
                       const std::vector<Value*>& made) {
    if (made.size() != 1 || made[0] == nullptr) return;
    const auto value = op.attributes.find("value");
    if (value == op.attributes.end()) return;
    if (full == "1.full_int_array") {
      made[0]->constant = value->second;
    } else if (full == "1.full" && made[0]->type.tensor) {
      const std::vector<int64_t>& dims = made[0]->type.tensor->dims;
      if (!std::all_of(dims.begin(), dims.end(),
                       [](int64_t dim) { return dim == 1; })) {
        return;
      }
      Attribute constant = value->second;
      if (!(std::abs(constant.real) <= std::numeric_limits<double>::max())) {
        return;
      }
      constant.number = static_cast<int64_t>(
          std::clamp(constant.real, -kMostWhole, kMostWhole));
      constant.numbers = {constant.number};
      made[0]->constant = std::move(constant);
    }
  }

  static absl::Status Unguarded(const std::string& op,
                                const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat(
        "operator ", op, " looks up numbers that its inputs do not tell (",
        what,
        "), and Paddle does not look whether they fit. Programs in Paddle 3's "
        "own format cannot be guarded against that, those of a .pdmodel are: "
        "export the model with FLAGS_enable_pir_api=0"));
  }

  absl::StatusOr<Signature> Judge() {
    if (signature_.inputs.empty() || outputs_.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the program has no ", signature_.inputs.empty() ? "data" : "fetch",
          " operator; a model to serve has inputs and outputs"));
    }
    if (outputs_.begin()->first != 0 ||
        outputs_.rbegin()->first != static_cast<int64_t>(outputs_.size()) - 1) {
      return Damaged("columns of the operators \"fetch\"");
    }
    std::set<std::string> names;
    for (auto& [column, output] : outputs_) {
      // By its name an output is asked for.
      if (!names.insert(output.name).second) {
        return absl::InvalidArgumentError(absl::StrCat(
            "two outputs are called ", Quoted(output.name),
            "; give each a name of its own, by paddle.assign for instance"));
      }
      signature_.outputs.push_back(std::move(output));
    }
    ValueNeeds needs = FindValueNeeds(blocks_, signature_.inputs);
    if (!needs.guards.empty()) {
      const Lookup& lookup = needs.guards[0];
      return Unguarded(called_.at({lookup.block, lookup.op}), lookup.what);
    }
    signature_.checks = std::move(needs.checks);
    // Which operators Paddle 3 has work in place is for its passes to decide.
    signature_.shareable.assign(signature_.inputs.size(), false);
    return std::move(signature_);
  }

  std::vector<Block> blocks_;
  size_t inner_ = 0;                 // blocks in others
  std::map<int64_t, Value> values_;  // those that can be read
  std::vector<int64_t> made_;        // their numbers, in order
  std::set<int64_t> known_;          // all numbers that were ever given
  // By the name of several values: the operator that made them.
  std::map<std::string, std::pair<size_t, size_t>> makers_;
  // What the operators of blocks are called in the file, by their places.
  std::map<std::pair<size_t, size_t>, std::string> called_;
  std::map<int64_t, NamedTensor> outputs_;  // by column
  Signature signature_;
};

}  // namespace

absl::StatusOr<Signature> ParsePir(std::string_view json) {
  if (!base::IsUtf8({json.data(), json.size()})) {
    return absl::DataLossError("it is no text");
  }
  Json walk(json);
  Node root;
  if (!ReadNode(&walk, &root) || !walk.AtEnd() || root.kind != Node::kObject) {
    return absl::DataLossError("cut off, or no JSON at all");
  }
  return Reader().Read(root);
}

}  // namespace engine
