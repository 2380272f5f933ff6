#include "cc/engine/program_desc.h"

#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace engine {

std::string Quoted(absl::string_view name) {
  constexpr size_t kShown = 80;
  return absl::StrCat("\"", absl::CHexEscape(name.substr(0, kShown)),
                      name.size() > kShown ? "...\"" : "\"");
}

absl::Status Damaged(const std::string& where) {
  return absl::DataLossError(absl::StrCat("malformed ", where));
}

const Variable* FindVariable(const std::vector<Block>& blocks,
                             const Block& from, const std::string& name) {
  for (const Block* block = &from;; block = &blocks[block->parent]) {
    auto found = block->variables.find(name);
    if (found != block->variables.end()) return &found->second;
    if (block->parent < 0) return nullptr;
  }
}

std::vector<std::string> Names(const Arguments& arguments) {
  std::vector<std::string> names;
  for (const auto& [parameter, given] : arguments) {
    names.insert(names.end(), given.begin(), given.end());
  }
  return names;
}

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

}  // namespace engine
