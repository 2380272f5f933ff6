// Made-up values for a model's inputs, to try it with.
#ifndef CC_BASE_MADE_UP_H_
#define CC_BASE_MADE_UP_H_

#include <cstddef>
#include <string>

#include "cc/base/tensor_spec.h"

namespace base {

// So many elements of the input's type, within its range; the same for a seed.
// Real numbers lie in [-1, 1), whole ones without a range are 0 or 1.
std::string MadeUpValues(const TensorSpec& spec, size_t elements,
                         unsigned seed);

}  // namespace base

#endif  // CC_BASE_MADE_UP_H_
