// What lies in a directory of models: DIRECTORY/NAME/VERSION/ is a version,
// VERSION a positive decimal number. Or the directory is one model, as KServe
// mounts it: it holds VERSION/, or the model's files, which are version 1.
#ifndef CC_INFER_SCAN_H_
#define CC_INFER_SCAN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cc/infer/model.h"

namespace infer {

struct FoundVersion {
  std::string directory;
  // Differs where the directory was replaced, or a file in it.
  std::string fingerprint;
  // How it is run, where it says so itself, or why that cannot be; but for
  // name, version and directory. Scan leaves it to others.
  std::optional<absl::StatusOr<ModelOptions>> options = std::nullopt;
};

struct Found {
  std::map<std::string, std::map<uint64_t, FoundVersion>> models;
  // Directories that hold no version, as lost+found where a file system begins,
  // or cannot be read: a sentence each.
  std::vector<std::string> passed_over;
};

// Names that begin with a dot are nobody's: a version is written under such a
// one and then renamed, so that no half of it is ever seen.
//
// `name` is that of the model where the directory is one; empty: the
// directory's own.
//
// NOT_FOUND: no model; the message says what is there, and how a directory of
// models should look. INVALID_ARGUMENT: it looks like more than one of these.
absl::StatusOr<Found> Scan(const std::string& directory,
                           const std::string& name = "");

}  // namespace infer

#endif  // CC_INFER_SCAN_H_
