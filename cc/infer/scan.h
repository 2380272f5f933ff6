// What lies in a directory of models: DIRECTORY/NAME/VERSION/ is a version,
// VERSION a positive decimal number.
#ifndef CC_INFER_SCAN_H_
#define CC_INFER_SCAN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace infer {

struct FoundVersion {
  std::string directory;
  // Differs where the directory was replaced, or a file in it.
  std::string fingerprint;
};

struct Found {
  std::map<std::string, std::map<uint64_t, FoundVersion>> models;
  // Directories that hold no version, as lost+found where a file system begins,
  // or cannot be read: a sentence each.
  std::vector<std::string> passed_over;
};

// Names that begin with a dot are nobody's: a version is written under such a
// one and then renamed, so that no half of it is ever seen. Errors say how a
// directory of models should look.
absl::StatusOr<Found> Scan(const std::string& directory);

}  // namespace infer

#endif  // CC_INFER_SCAN_H_
