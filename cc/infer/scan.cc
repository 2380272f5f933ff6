#include "cc/infer/scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/base/model_folder.h"
#include "cc/infer/version.h"

namespace infer {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kLayout =
    "a repository holds NAME/VERSION/model.pdmodel and model.pdiparams, "
    "VERSION a number from 1; or it is one model, with these files or "
    "VERSION/ in it";

using Versions = std::map<uint64_t, FoundVersion>;

// Names, sorted, without hidden ones: volumes mounted into a container bring
// those along.
struct Listing {
  std::vector<std::string> all;
  std::vector<std::string> files;
  std::vector<std::string> directories;  // links to them too
};

absl::StatusOr<Listing> List(const fs::path& path) {
  std::error_code error;
  Listing listing;
  fs::directory_iterator it(path, error);
  while (!error && it != fs::directory_iterator()) {
    const std::string name = it->path().filename().string();
    if (name[0] != '.') {
      std::error_code ignored;
      (it->is_directory(ignored) ? listing.directories : listing.files)
          .push_back(name);
      listing.all.push_back(name);
    }
    it.increment(error);
  }
  if (error) return absl::NotFoundError(error.message());
  for (auto* names : {&listing.all, &listing.files, &listing.directories}) {
    std::sort(names->begin(), names->end());
  }
  return listing;
}

std::string Stamp(const fs::path& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return "gone";
  return absl::StrCat(status.st_dev, ":", status.st_ino, ":", status.st_size,
                      ":", status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec);
}

// A directory as a version, and whether it has the files of a model: one that
// has none, or cannot be read, is found too, so that its load says so.
std::pair<FoundVersion, bool> VersionIn(const fs::path& directory) {
  std::string stamps = "files:\n";
  const auto listing = List(directory);
  if (!listing.ok()) return {{directory.string(), stamps}, false};
  for (const std::string& file : listing->files) {
    absl::StrAppend(&stamps, file, "=", Stamp(directory / file), "\n");
  }
  return {{directory.string(), stamps},
          !base::ModelsAmong(listing->files).empty()};
}

// The last part of the directory's path, however that is written.
std::string NameOf(const std::string& directory) {
  std::error_code ignored;
  fs::path path = fs::absolute(directory, ignored).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.has_filename() ? path.filename().string() : "model";
}

// What a directory may be.
struct Kinds {
  Found repository;
  std::string example;  // a version of the repository that is a model
  Versions versions;    // of the model that the directory is
  bool flat = false;    // the model's files lie right in it
};

Kinds Look(const fs::path& directory, const Listing& listing) {
  Kinds kinds;
  kinds.flat = !base::ModelsAmong(listing.files).empty();
  std::vector<std::string>& passed_over = kinds.repository.passed_over;
  for (const std::string& name : listing.directories) {
    const fs::path path = directory / name;
    const auto inner = List(path);
    if (!inner.ok()) {
      passed_over.push_back(absl::StrCat("model \"", name, "\": cannot read ",
                                         path.string(), ": ",
                                         inner.status().message()));
      continue;
    }
    Versions numbered;
    for (const std::string& version : inner->directories) {
      const std::optional<uint64_t> number = ParseVersion(version);
      if (!number) continue;
      auto [found, model] = VersionIn(path / version);
      if (model) kinds.example = absl::StrCat(name, "/", version);
      numbered[*number] = std::move(found);
    }
    if (!numbered.empty()) {
      kinds.repository.models[name] = std::move(numbered);
      continue;
    }
    const std::optional<uint64_t> number = ParseVersion(name);
    if (number && !base::ModelsAmong(inner->files).empty()) {
      kinds.versions[*number] = VersionIn(path).first;
      continue;
    }
    const std::string cure = base::CureFor(inner->all);
    passed_over.push_back(absl::StrCat(
        "model \"", name, "\" has no version in ", path.string(), ", which ",
        base::Holds(inner->all), cure.empty() ? "" : ". ", cure));
  }
  return kinds;
}

}  // namespace

absl::StatusOr<Found> Scan(const std::string& directory,
                           const std::string& name) {
  const auto listing = List(directory);
  if (!listing.ok()) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the model repository ", directory, ": ",
                     listing.status().message(), "; ", kLayout));
  }
  Kinds kinds = Look(directory, *listing);
  std::vector<std::string> seen;
  if (kinds.flat) seen.push_back(base::ModelsAmong(listing->files)[0].program);
  if (!kinds.versions.empty()) {
    seen.push_back(absl::StrCat(kinds.versions.begin()->first, "/"));
  }
  if (!kinds.example.empty()) seen.push_back(kinds.example);
  if (seen.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "more than one meaning of the model repository ", directory,
        ", which has models at ", absl::StrJoin(seen, " and "), "; ", kLayout));
  }
  if (kinds.flat) kinds.versions[1] = VersionIn(directory).first;
  if (!kinds.versions.empty()) {
    Found found;
    found.models[name.empty() ? NameOf(directory) : name] =
        std::move(kinds.versions);
    return found;
  }
  Found found = std::move(kinds.repository);
  if (found.models.empty()) {
    const std::string cure = base::CureFor(listing->files);
    return absl::NotFoundError(absl::StrCat(
        "no model in the repository ", directory, ", which ",
        base::Holds(listing->all), cure.empty() ? "" : ". ", cure, "; ",
        kLayout, found.passed_over.empty() ? "" : "; passed over: ",
        absl::StrJoin(found.passed_over, ", ")));
  }
  return found;
}

}  // namespace infer
