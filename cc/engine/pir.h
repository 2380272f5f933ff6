// Reads a program in Paddle 3's own format (model.json, "PIR") without Paddle.
//
// Paddle takes such a file on trust, as it does the older ones: without an
// attribute that inputs and outputs must have it follows a null pointer, and
// damage within a branch or a loop ends the process, since the error is thrown
// on while another one is. So all of it is walked first: what each region,
// block, operator, type and attribute must have, and that no value is used
// before it is made.
#ifndef CC_ENGINE_PIR_H_
#define CC_ENGINE_PIR_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "cc/engine/program.h"

namespace engine {

// DATA_LOSS or INVALID_ARGUMENT says what is wrong, without the file's name.
//
// Values that operators look up are traced back to the inputs as in a
// ProgramDesc (value_ranges.h). Guards are not to be had in this format: a
// program that would need one is INVALID_ARGUMENT.
absl::StatusOr<Signature> ParsePir(std::string_view json);

}  // namespace engine

#endif  // CC_ENGINE_PIR_H_
