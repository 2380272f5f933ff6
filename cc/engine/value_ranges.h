// Finds what the values of a program's inputs must be. Paddle's CPU kernels do
// not look at the numbers that they take for rows, indices and lengths: with
// one too large they read, or write, memory of others.
//
// The walk begins at the operators that take such numbers and goes back, over
// operators that pass values on as they are or shift them by a constant, to the
// inputs of the model. It gives up where it cannot tell exactly, so that no
// valid request is refused; docs/engine.md has the list.
#ifndef CC_ENGINE_VALUE_RANGES_H_
#define CC_ENGINE_VALUE_RANGES_H_

#include <vector>

#include "cc/engine/program.h"
#include "cc/engine/program_desc.h"

namespace engine {

// The blocks' names all stand for something, each block's parent before it.
std::vector<ValueCheck> FindValueChecks(const std::vector<Block>& blocks,
                                        const std::vector<NamedTensor>& inputs);

}  // namespace engine

#endif  // CC_ENGINE_VALUE_RANGES_H_
