// Which files of a folder are a model: NAME.pdmodel with NAME.pdiparams, as
// paddle.jit.save writes them, NAME.json with NAME.pdiparams, as Paddle 3 does,
// or __model__ with __params__, as Paddle had it before. A folder holds one
// model.
#ifndef CC_BASE_MODEL_FOLDER_H_
#define CC_BASE_MODEL_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace base {

// What a model is, for errors.
extern const char kModelWanted[];

struct ModelNames {
  std::string program;
  std::string parameters;  // perhaps of no file: a network may have none
};

// Whether a program is in Paddle 3's own format, by its file's name.
bool IsPir(const std::string& program);

// Models among the names of a folder's files, sorted. Names that begin with a
// dot are nobody's. A .json is a program where its parameters lie beside it, or
// where it is called as Paddle calls programs, model.json or inference.json. A
// .pdmodel of the same name comes before it: both are of one network.
std::vector<ModelNames> ModelsAmong(const std::vector<std::string>& names);

// The model of a folder that has these files and folders, sorted.
// INVALID_ARGUMENT: it has several; NOT_FOUND: none. The message names what is
// there and what to do.
absl::StatusOr<ModelNames> OneModel(const std::string& directory,
                                    const std::vector<std::string>& names);

// "is empty" or "holds: a, b", up to ten names.
std::string Holds(const std::vector<std::string>& names);

// What to do with a folder that has these in place of a model, as far as they
// tell; else "".
std::string CureFor(const std::vector<std::string>& names);

}  // namespace base

#endif  // CC_BASE_MODEL_FOLDER_H_
