#include "cc/server/model_repository.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace server {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kLayout =
    "a repository holds NAME/VERSION/model.pdmodel and model.pdiparams, "
    "VERSION a number from 1";

std::optional<uint64_t> ParseVersion(absl::string_view text) {
  uint64_t version = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, version);
  if (result.ec != std::errc() || result.ptr != end || text[0] == '0') {
    return std::nullopt;
  }
  return version;
}

// Names of the directories in `directory` (links to directories too), sorted,
// without hidden ones: volumes mounted into a container bring those along.
absl::StatusOr<std::vector<std::string>> Directories(const fs::path& path) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator it(path, error);
  while (!error && it != fs::directory_iterator()) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name[0] != '.' && fs::is_directory(it->path(), ignored)) {
      names.push_back(name);
    }
    it.increment(error);
  }
  if (error) return absl::NotFoundError(error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

absl::StatusOr<ModelRepository> ModelRepository::Load(
    const std::string& directory, const ModelLoader& loader, size_t max_queue) {
  ModelRepository repository;
  const auto names = Directories(directory);
  if (!names.ok()) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the model repository ", directory, ": ",
                     names.status().message(), "; ", kLayout));
  }
  for (const std::string& name : *names) {
    const fs::path model_path = fs::path(directory) / name;
    const auto versions = Directories(model_path);
    if (!versions.ok()) {
      repository.passed_over_.push_back(
          absl::StrCat("model \"", name, "\": cannot read ",
                       model_path.string(), ": ", versions.status().message()));
      continue;
    }
    VersionMap map;
    for (const std::string& version : *versions) {
      const auto number = ParseVersion(version);
      if (!number.has_value()) continue;
      const std::string path = (model_path / version).string();
      auto loaded = loader(path);
      if (!loaded.ok()) {
        return absl::Status(
            loaded.status().code(),
            absl::StrCat("model \"", name, "\" version ", version, " in ", path,
                         " cannot be loaded: ", loaded.status().message()));
      }
      map[*number] =
          std::make_unique<Model>(ModelInfo{name, version, loaded->platform,
                                            loaded->inputs, loaded->outputs},
                                  std::move(loaded->instances), max_queue);
    }
    if (map.empty()) {
      repository.passed_over_.push_back(absl::StrCat(
          "model \"", name, "\" has no version in ", model_path.string()));
    } else {
      repository.models_.emplace(name, std::move(map));
    }
  }
  if (repository.models_.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no model in the repository ", directory, "; ", kLayout,
                     repository.passed_over_.empty() ? "" : "; passed over: ",
                     absl::StrJoin(repository.passed_over_, ", ")));
  }
  return repository;
}

void ModelRepository::Stop() {
  for (const Model* model : All()) model->scheduler().Stop();
}

absl::StatusOr<const Model*> ModelRepository::Find(
    absl::string_view name, absl::string_view version) const {
  const auto model = models_.find(std::string(name));
  if (model == models_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "unknown model \"", name, "\"; there is ",
        absl::StrJoin(models_, ", ", [](std::string* out, const auto& entry) {
          absl::StrAppend(out, "\"", entry.first, "\"");
        })));
  }
  const VersionMap& versions = model->second;
  if (version.empty()) return versions.rbegin()->second.get();
  const auto number = ParseVersion(version);
  const auto found =
      number.has_value() ? versions.find(*number) : versions.end();
  if (found == versions.end()) {
    return absl::NotFoundError(
        absl::StrCat("model \"", name, "\" has no version ", version,
                     "; there is ", absl::StrJoin(Versions(name), ", ")));
  }
  return found->second.get();
}

std::vector<std::string> ModelRepository::Versions(
    absl::string_view name) const {
  std::vector<std::string> versions;
  const auto model = models_.find(std::string(name));
  if (model == models_.end()) return versions;
  for (const auto& [number, unused] : model->second) {
    versions.push_back(absl::StrCat(number));
  }
  return versions;
}

std::vector<const Model*> ModelRepository::All() const {
  std::vector<const Model*> all;
  for (const auto& [name, versions] : models_) {
    for (const auto& [number, model] : versions) all.push_back(model.get());
  }
  return all;
}

}  // namespace server
