// Which operator of a program makes which variable, and of what size.
#ifndef CC_ENGINE_FLOW_H_
#define CC_ENGINE_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cc/base/values.h"
#include "cc/engine/program.h"
#include "cc/engine/program_desc.h"

namespace engine {

// A variable, which has a tensor, and the block that names it.
struct Use {
  const Variable* variable = nullptr;
  const Block* block = nullptr;
  std::string name;
};

// A size that is fixed, or that of an input's dimension.
struct Size {
  int64_t fixed = -1;
  std::optional<base::ValueCheck::Dimension> of = std::nullopt;
};

class Flow {
 public:
  // Both must outlive it.
  Flow(const std::vector<Block>& blocks,
       const std::vector<NamedTensor>& inputs);

  // The variable of a name; nullopt: it has no tensor.
  std::optional<Use> Find(const Block& block, const std::string& name) const;
  // What is given for a parameter.
  std::optional<Use> In(const Operator& op, const Block& block,
                        const std::string& parameter,
                        size_t position = 0) const;

  struct Writer {
    const Operator* op;
    const Block* block;
  };
  // Of inputs, which nothing else may write to, and of parameters: none.
  const std::vector<Writer>& WritersOf(const Variable* variable) const;
  // The number of the model's input that a variable is.
  std::optional<size_t> InputOf(const Variable* variable) const;

  // The size of a dimension, as far back as it is only passed on.
  std::optional<Size> SizeOf(Use use, int64_t axis) const;

 private:
  const std::vector<Block>& blocks_;
  std::map<const Variable*, size_t> inputs_;
  std::map<const Variable*, std::vector<Writer>> writers_;
  bool loops_ = false;
};

}  // namespace engine

#endif  // CC_ENGINE_FLOW_H_
