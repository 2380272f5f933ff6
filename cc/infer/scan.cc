#include "cc/infer/scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/infer/version.h"

namespace infer {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kLayout =
    "a repository holds NAME/VERSION/model.pdmodel and model.pdiparams, "
    "VERSION a number from 1";

// Names in a directory, sorted, without hidden ones: volumes mounted into a
// container bring those along.
absl::StatusOr<std::vector<std::string>> Names(const fs::path& path,
                                               bool directories) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator it(path, error);
  while (!error && it != fs::directory_iterator()) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    // Links to directories too.
    if (name[0] != '.' &&
        (!directories || fs::is_directory(it->path(), ignored))) {
      names.push_back(name);
    }
    it.increment(error);
  }
  if (error) return absl::NotFoundError(error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::string Stamp(const fs::path& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return "gone";
  return absl::StrCat(status.st_dev, ":", status.st_ino, ":", status.st_size,
                      ":", status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec);
}

std::string Fingerprint(const fs::path& directory) {
  const auto files = Names(directory, /*directories=*/false);
  if (!files.ok()) return "";
  std::string stamps;
  for (const std::string& name : *files) {
    absl::StrAppend(&stamps, name, "=", Stamp(directory / name), "\n");
  }
  return stamps;
}

}  // namespace

absl::StatusOr<Found> Scan(const std::string& directory) {
  Found found;
  const auto names = Names(directory, /*directories=*/true);
  if (!names.ok()) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the model repository ", directory, ": ",
                     names.status().message(), "; ", kLayout));
  }
  for (const std::string& name : *names) {
    const fs::path model = fs::path(directory) / name;
    const auto versions = Names(model, /*directories=*/true);
    if (!versions.ok()) {
      found.passed_over.push_back(
          absl::StrCat("model \"", name, "\": cannot read ", model.string(),
                       ": ", versions.status().message()));
      continue;
    }
    std::map<uint64_t, FoundVersion> numbered;
    for (const std::string& version : *versions) {
      if (const auto number = ParseVersion(version)) {
        const fs::path path = model / version;
        numbered[*number] = {path.string(), Fingerprint(path)};
      }
    }
    if (numbered.empty()) {
      found.passed_over.push_back(absl::StrCat(
          "model \"", name, "\" has no version in ", model.string()));
    } else {
      found.models[name] = std::move(numbered);
    }
  }
  if (found.models.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no model in the repository ", directory, "; ", kLayout,
                     found.passed_over.empty() ? "" : "; passed over: ",
                     absl::StrJoin(found.passed_over, ", ")));
  }
  return found;
}

}  // namespace infer
