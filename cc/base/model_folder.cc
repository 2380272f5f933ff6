#include "cc/base/model_folder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace base {
namespace {

constexpr char kOldProgram[] = "__model__";
constexpr char kOldParameters[] = "__params__";

}  // namespace

const char kModelWanted[] =
    "A model is a directory with model.pdmodel and model.pdiparams, as "
    "paddle.jit.save(layer, \"DIRECTORY/model\") writes them, by this name or "
    "another; with Paddle 3 model.json and model.pdiparams.";

bool IsPir(const std::string& program) {
  return absl::EndsWith(program, ".json");
}

std::vector<ModelNames> ModelsAmong(const std::vector<std::string>& names) {
  const auto has = [&](const std::string& name) {
    return std::count(names.begin(), names.end(), name) > 0;
  };
  std::vector<ModelNames> models;
  for (const std::string& name : names) {
    absl::string_view stem = name;
    if (name[0] != '.' && absl::ConsumeSuffix(&stem, ".pdmodel")) {
      models.push_back({name, absl::StrCat(stem, ".pdiparams")});
    } else if (name[0] != '.' && absl::ConsumeSuffix(&stem, ".json")) {
      const std::string parameters = absl::StrCat(stem, ".pdiparams");
      const bool named = stem == "model" || stem == "inference";
      if ((named || has(parameters)) && !has(absl::StrCat(stem, ".pdmodel"))) {
        models.push_back({name, parameters});
      }
    } else if (name == kOldProgram && has(kOldParameters)) {
      models.push_back({name, kOldParameters});
    }
  }
  return models;
}

absl::StatusOr<ModelNames> OneModel(const std::string& directory,
                                    const std::vector<std::string>& names) {
  std::vector<ModelNames> models = ModelsAmong(names);
  if (models.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory, " has ", models.size(), " models: ",
        absl::StrJoin(models, ", ",
                      [](std::string* out, const ModelNames& model) {
                        out->append(model.program);
                      }),
        ". Give each a directory of its own."));
  }
  if (models.empty()) {
    const std::string cure = CureFor(names);
    return absl::NotFoundError(
        absl::StrCat(directory, "/model.pdmodel is not there; the directory ",
                     Holds(names), ". ", cure.empty() ? kModelWanted : cure));
  }
  return models[0];
}

std::string Holds(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  if (names.empty()) return "is empty";
  std::vector<std::string> shown(
      names.begin(),
      names.begin() + static_cast<ptrdiff_t>(std::min(kShown, names.size())));
  if (names.size() > kShown) shown.push_back("...");
  return absl::StrCat("holds: ", absl::StrJoin(shown, ", "));
}

std::string CureFor(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == kOldProgram) {
      return "__model__ without __params__ has its parameters in a file each, "
             "as Paddle 1 wrote them: load it with "
             "paddle.static.load_inference_model(\"DIRECTORY\", executor) and "
             "write it anew with paddle.static.save_inference_model.";
    }
    if (absl::EndsWith(name, ".json") && name != "metadata.json") {
      return absl::StrCat(name,
                          " may be a program of Paddle 3, whose parameters are "
                          "a .pdiparams of the same name beside it.");
    }
    if (absl::EndsWith(name, ".pdparams")) {
      return absl::StrCat(
          name,
          " holds the weights alone, as paddle.save writes them: load "
          "them into the network and export both with paddle.jit.save.");
    }
    if (absl::EndsWith(name, ".onnx")) {
      return absl::StrCat(name, " is no model of Paddle.");
    }
    int64_t version;
    if (absl::SimpleAtoi(name, &version)) {
      return absl::StrCat("Is the model the folder ", name, " in it?");
    }
  }
  return "";
}

}  // namespace base
