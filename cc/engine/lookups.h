// The operators that take numbers for rows, indices and lengths. Paddle's CPU
// kernels do not look at those: with one too large they read, or write, memory
// of others.
#ifndef CC_ENGINE_LOOKUPS_H_
#define CC_ENGINE_LOOKUPS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cc/engine/program_desc.h"

namespace engine {

// What numbers must be, by the size n of what they lead into.
enum class Takes {
  kIndex,     // 0 to n - 1
  kWrapping,  // -n to n - 1: from the end on, as in Python
  kLength,    // 0 to n
};

// What the numbers lead into: a dimension of a variable, or so many.
struct Extent {
  std::string table;  // empty: `size` alone tells
  int64_t axis = 0;
  int64_t size = -1;  // -1: only the run tells
};

// An input of an operator that is looked up without a check.
struct Lookup {
  size_t block = 0;  // of the program
  size_t op = 0;     // of the block
  std::string parameter;
  size_t position = 0;  // among the parameter's inputs
  Takes takes = Takes::kIndex;
  std::string what;  // "row of an embedding table"
  // One for all of it, or one for each column of its last dimension.
  std::vector<Extent> extents;
};

// What a lookup is about, in words: "index in a dimension of 100", or of a
// dimension that is not fixed, as "dimension 0 of input x".
std::string ReasonOf(const Lookup& lookup, int64_t size);
std::string ReasonOf(const Lookup& lookup, const std::string& dimension);

// In the order of the program. Sizes of extents are told where they do not
// depend on a table.
std::vector<Lookup> FindLookups(const std::vector<Block>& blocks);

}  // namespace engine

#endif  // CC_ENGINE_LOOKUPS_H_
