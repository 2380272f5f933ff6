// Offsets of sequences, and values of elements, held against what a model
// takes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/data_type.h"
#include "cc/base/refusal_check.h"
#include "cc/base/tensor_spec.h"
#include "cc/base/values.h"

namespace base {
namespace {

void CheckError(const absl::Status& status) {
  if (!status.ok()) {
    CheckRefusal(status, {absl::StatusCode::kInvalidArgument});
  }
}

// Takes numbers from the front of the input; zeros at its end.
class Numbers {
 public:
  explicit Numbers(absl::string_view text) : text_(text) {}
  int64_t Small() {
    if (text_.empty()) return 0;
    const auto byte = static_cast<int8_t>(text_.front());
    text_.remove_prefix(1);
    return byte;
  }
  int64_t Large() {
    int64_t value = 0;
    const size_t size = std::min(text_.size(), sizeof(value));
    if (size > 0) std::memcpy(&value, text_.data(), size);
    text_.remove_prefix(size);
    return value;
  }
  absl::string_view rest() const { return text_; }

 private:
  absl::string_view text_;
};

void CheckOffsets(Numbers numbers) {
  const int levels = static_cast<int>(numbers.Small());
  const int64_t rows = numbers.Small();
  Lod lod(static_cast<size_t>(numbers.Small() & 3));
  for (std::vector<int64_t>& level : lod) {
    level.resize(static_cast<size_t>(numbers.Small() & 15));
    for (int64_t& offset : level) {
      offset = numbers.Small();
      if (offset == -128) offset = numbers.Large();
    }
  }
  const absl::Status status = CheckLod(levels, {rows}, lod);
  CheckError(status);
  if (!status.ok() || lod.empty()) return;
  // The engine follows them without a look.
  int64_t next = rows;
  for (auto level = lod.rbegin(); level != lod.rend(); ++level) {
    fuzz::Check(!level->empty() && level->front() == 0 &&
                    level->back() == next &&
                    std::is_sorted(level->begin(), level->end()),
                "offsets lead to what there is", LodText(lod));
    next = static_cast<int64_t>(level->size()) - 1;
  }
}

void CheckElements(Numbers numbers) {
  const auto dtype = static_cast<DataType>(numbers.Small() & 15);
  if (dtype >= DataType::kBytes) return;
  TensorSpec spec{"x", dtype, {-1}};
  spec.range = {numbers.Large(), numbers.Large(), "row of a table"};
  absl::string_view data = numbers.rest();
  data = data.substr(0, data.size() / SizeOf(spec.dtype) * SizeOf(spec.dtype));
  const absl::Status status =
      CheckValues(spec, std::string_view(data.data(), data.size()));
  CheckError(status);
  absl::Cord cord;
  for (const absl::string_view piece : fuzz::Pieces(data, 3)) {
    cord.Append(absl::MakeCordFromExternal(piece, [] {}));
  }
  fuzz::Check(CheckValues(spec, cord) == status, "pieces change nothing",
              status.ToString());
}

}  // namespace
}  // namespace base

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  base::Numbers numbers(fuzz::Text(data, size));
  base::CheckOffsets(numbers);
  base::CheckElements(numbers);
  return 0;
}
