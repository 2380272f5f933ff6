#include "cc/engine/tensor.h"

#include "absl/strings/str_cat.h"

namespace engine {

absl::Status CheckLod(int lod_level, const std::vector<int64_t>& shape,
                      const Lod& lod) {
  const auto invalid = [](const std::string& what) {
    return absl::InvalidArgumentError(what);
  };
  if (lod.size() != static_cast<size_t>(lod_level)) {
    if (lod_level == 0) {
      return invalid("it has offsets of sequences (LoD), the model takes none");
    }
    return invalid(absl::StrCat(
        "it has ", lod.size(), " levels of offsets (LoD), the model takes ",
        lod_level, "; {0, ..., rows} is one sequence or more"));
  }
  for (size_t i = 0; i < lod.size(); ++i) {
    const std::vector<int64_t>& level = lod[i];
    const std::string name = absl::StrCat("level ", i, " of its offsets (LoD)");
    if (level.empty() || level.front() != 0) {
      return invalid(absl::StrCat(name, " does not begin with 0"));
    }
    for (size_t j = 1; j < level.size(); ++j) {
      // Paddle's gru writes outside its memory for a sequence without rows.
      if (level[j] <= level[j - 1]) {
        return invalid(absl::StrCat(name, " does not ascend: ", level[j],
                                    " follows ", level[j - 1]));
      }
    }
    const bool last = i + 1 == lod.size();
    int64_t count = 0;  // of what this level cuts
    if (!last) {
      count = static_cast<int64_t>(lod[i + 1].size()) - 1;
    } else if (!shape.empty()) {
      count = shape[0];
    }
    if (level.back() != count) {
      return invalid(absl::StrCat(name, " ends with ", level.back(), ", the ",
                                  last ? "tensor has " : "next level has ",
                                  count, last ? " rows" : " sequences"));
    }
  }
  return absl::OkStatus();
}

}  // namespace engine
