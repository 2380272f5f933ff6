// Operators that compute with two tensors of unequal rank, element by element.
#ifndef CC_ENGINE_BROADCASTS_H_
#define CC_ENGINE_BROADCASTS_H_

#include <vector>

#include "absl/status/status.h"
#include "cc/engine/program_desc.h"

namespace engine {

// DATA_LOSS: an elementwise operator's `axis`, where the dimensions of the
// tensor of the lesser rank begin in the other one's, leaves no room for them.
// oneDNN's kernel of Paddle 3 writes outside its memory with such a one.
absl::Status CheckBroadcasts(const std::vector<Block>& blocks);

}  // namespace engine

#endif  // CC_ENGINE_BROADCASTS_H_
