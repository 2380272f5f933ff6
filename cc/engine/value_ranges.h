// Finds what the values of a program's inputs must be, for what is looked up in
// it (lookups.h) to lead nowhere else.
//
// The walk goes from each lookup back, over operators that pass values on as
// they are or shift them by a constant, to the inputs of the model. Where it
// cannot tell exactly, it asks for no check, so that no valid request is
// refused, and the lookup needs a guard (guards.h).
#ifndef CC_ENGINE_VALUE_RANGES_H_
#define CC_ENGINE_VALUE_RANGES_H_

#include <vector>

#include "cc/base/values.h"
#include "cc/engine/lookups.h"
#include "cc/engine/program.h"
#include "cc/engine/program_desc.h"

namespace engine {

struct ValueNeeds {
  std::vector<base::ValueCheck> checks;
  // Those that the checks do not see to, with sizes as far as they are fixed.
  std::vector<Lookup> guards;
};

// The blocks' names all stand for something, each block's parent before it.
ValueNeeds FindValueNeeds(const std::vector<Block>& blocks,
                          const std::vector<NamedTensor>& inputs);

}  // namespace engine

#endif  // CC_ENGINE_VALUE_RANGES_H_
