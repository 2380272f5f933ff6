// What the values of a model's inputs must be, lest Paddle's kernels read or
// write beside their tensors: kept by the server before a request waits with
// others, and by the engine before each run.
#ifndef CC_BASE_VALUES_H_
#define CC_BASE_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cc/base/tensor_spec.h"

namespace base {

// A part of a tensor along one axis: [begin, end).
struct Part {
  size_t axis = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

// What a range of an input (TensorSpec::range) cannot say: it concerns a part,
// or depends on the run. From `min` to `max`, both included.
struct ValueCheck {
  size_t input = 0;
  int64_t min = 0;
  int64_t max = 0;
  // Where it is set, `max` counts from the size that this dimension of another
  // input, or the same, has in the run; with `wraps`, `min` from its negative.
  struct Dimension {
    size_t input = 0;
    size_t axis = 0;
  };
  std::optional<Dimension> of = std::nullopt;
  bool wraps = false;
  std::vector<Part> parts = {};  // of the input; empty: all of it
  std::string reason = {};       // "row of an embedding table of 1000 rows"
};

// INVALID_ARGUMENT, in words that follow the input's name, if offsets do not
// fit an input with so many levels and this shape. The engine follows offsets
// without a look at the rows, so none may pass that point outside.
absl::Status CheckLod(int lod_level, const std::vector<int64_t>& shape,
                      const Lod& lod);

// INVALID_ARGUMENT, in words that follow the input's name, if an element lies
// outside spec.range (of real numbers, what is left without the fraction), or a
// BOOL is a byte other than 0 and 1. Paddle's kernels look at neither: an index
// beyond a table reads memory that is not the table's. The dtype must be
// spec's, the bytes whole elements.
absl::Status CheckValues(const TensorSpec& spec, std::string_view data);
absl::Status CheckValues(const TensorSpec& spec, const absl::Cord& data);

// Whether all indices of a check are those of inputs and dimensions.
bool IsMeaningful(const ValueCheck& check,
                  const std::vector<TensorSpec>& specs);

// INVALID_ARGUMENT that names the input, if a check fails. inputs[i], with a
// shape and data as CheckValues takes them, belongs to the i-th spec, and fits
// it.
template <typename T>
absl::Status CheckTogether(const std::vector<ValueCheck>& checks,
                           const std::vector<TensorSpec>& specs,
                           const std::vector<const T*>& inputs);

namespace internal {

// The elements of the parts, in order.
std::string Cut(std::string_view data, DataType dtype,
                const std::vector<int64_t>& shape,
                const std::vector<Part>& parts);
std::string Cut(const absl::Cord& data, DataType dtype,
                const std::vector<int64_t>& shape,
                const std::vector<Part>& parts);

// The error of a check in the words of the input's.
absl::Status Named(const absl::Status& status, const std::string& input,
                   const std::vector<Part>& parts, size_t rank);

}  // namespace internal

template <typename T>
absl::Status CheckTogether(const std::vector<ValueCheck>& checks,
                           const std::vector<TensorSpec>& specs,
                           const std::vector<const T*>& inputs) {
  for (const ValueCheck& check : checks) {
    const T& input = *inputs[check.input];
    TensorSpec spec = specs[check.input];
    spec.range = {check.min, check.max, check.reason};
    if (check.of) {
      const int64_t size = inputs[check.of->input]->shape[check.of->axis];
      spec.range->max += size;
      if (check.wraps) spec.range->min -= size;
    }
    const absl::Status status =
        check.parts.empty()
            ? CheckValues(spec, input.data)
            : CheckValues(spec, internal::Cut(input.data, spec.dtype,
                                              input.shape, check.parts));
    if (!status.ok()) {
      return internal::Named(status, spec.name, check.parts,
                             input.shape.size());
    }
  }
  return absl::OkStatus();
}

}  // namespace base

#endif  // CC_BASE_VALUES_H_
