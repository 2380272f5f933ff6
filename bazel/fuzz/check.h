// What fuzz targets have in common.
#ifndef BAZEL_FUZZ_CHECK_H_
#define BAZEL_FUZZ_CHECK_H_

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace fuzz {

// Ends the program, which to libFuzzer is a crash, where something that must
// hold of every input does not.
inline void Check(bool holds, absl::string_view what,
                  absl::string_view found = {}) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s: %.*s\n",
               static_cast<int>(what.size()), what.data(),
               static_cast<int>(found.size()), found.data());
  std::abort();
}

// An input, as the text that it may be.
inline absl::string_view Text(const unsigned char* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The text in pieces, as sockets cut it: of one size, or (0) of sizes that
// differ, the same for the same text. The most are `most` bytes large.
inline std::vector<absl::string_view> Pieces(absl::string_view text,
                                             size_t size, size_t most = 64) {
  std::minstd_rand random(static_cast<unsigned>(text.size() + 1));
  std::vector<absl::string_view> pieces;
  while (!text.empty()) {
    pieces.push_back(text.substr(0, size > 0 ? size : random() % most + 1));
    text.remove_prefix(pieces.back().size());
  }
  return pieces;
}

// The same as chunks of a cord, each in memory of its own.
inline absl::Cord CordOfPieces(absl::string_view text, size_t most = 64) {
  absl::Cord cord;
  for (const absl::string_view piece : Pieces(text, 0, most)) {
    auto copy = std::make_shared<std::string>(piece);
    const absl::string_view view = *copy;
    cord.Append(absl::MakeCordFromExternal(view, [copy = std::move(copy)] {}));
  }
  return cord;
}

}  // namespace fuzz

#endif  // BAZEL_FUZZ_CHECK_H_
