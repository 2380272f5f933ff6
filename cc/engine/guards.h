// Puts operators before lookups (lookups.h) whose numbers nothing else holds to
// their tables: one that takes each number to the nearest that fits, and one
// that makes the run fail where that has changed any.
#ifndef CC_ENGINE_GUARDS_H_
#define CC_ENGINE_GUARDS_H_

#include <string_view>
#include <vector>

#include "cc/engine/lookups.h"
#include "cc/engine/program.h"
#include "cc/engine/program_desc.h"

namespace engine {

// `program`: the serialized ProgramDesc whose blocks these are. All of it that
// is not guarded stays as it is.
Guarded AddGuards(std::string_view program, const std::vector<Block>& blocks,
                  const std::vector<Lookup>& lookups);

}  // namespace engine

#endif  // CC_ENGINE_GUARDS_H_
