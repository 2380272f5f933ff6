// Checks the two files of an exported model before the engine reads them.
//
// The engine trusts its files: a parameter file cut off in its last tensor
// loads without a word and gives wrong numbers, a damaged length makes it
// allocate gigabytes, a damaged name in the program makes it follow a null
// pointer. So the files are walked first, without the engine: the program (a
// protobuf ProgramDesc) for well-formedness and for names that refer to
// nothing (of Paddle 3's format see pir.h), the parameters tensor by tensor
// against what the program declares. Only headers are read: the cost does not
// grow with the size of the weights.
//
// What this cannot see is a changed weight: that is for a digest of the files.
#ifndef CC_ENGINE_MODEL_FILES_H_
#define CC_ENGINE_MODEL_FILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "cc/engine/program.h"

namespace engine {

struct ModelFiles {
  std::string program;     // path
  std::string parameters;  // path; of a network without any perhaps no file
  Signature signature;     // what the program declares
  bool pir = false;        // in Paddle 3's own format
};

// The files are those of base/model_folder.h. A network without parameters has
// no second file, or an empty one.
//
// NOT_FOUND: no such file. DATA_LOSS: damaged, or the two do not belong
// together. INVALID_ARGUMENT: not a model that can be served (no input or
// output, or an element type without a meaning here), or several. The message
// names the file and the cure.
absl::StatusOr<ModelFiles> CheckModelFiles(const std::string& directory);

}  // namespace engine

#endif  // CC_ENGINE_MODEL_FILES_H_
