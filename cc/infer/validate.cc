#include "cc/infer/validate.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/base/data_type.h"
#include "cc/base/text.h"
#include "cc/base/values.h"

namespace infer {
namespace {

using base::DataType;
using base::Quote;
using base::ShapeText;
using base::TensorSpec;

bool IsOpen(const TensorSpec& spec) {
  return !spec.shape.empty() && spec.shape[0] < 0;
}

// A batch, whose rows are not those of sequences.
bool IsBatch(const TensorSpec& spec) {
  return IsOpen(spec) && spec.lod_level == 0;
}

bool Fits(const std::vector<int64_t>& shape, const TensorSpec& spec) {
  if (shape.size() != spec.shape.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t least = i == 0 && IsBatch(spec) ? 0 : 1;
    if (spec.shape[i] < 0 ? shape[i] < least : shape[i] != spec.shape[i]) {
      return false;
    }
  }
  return true;
}

std::string Names(const std::vector<TensorSpec>& specs) {
  return absl::StrJoin(specs, ", ",
                       [](std::string* out, const TensorSpec& spec) {
                         absl::StrAppend(out, Quote(spec.name));
                       });
}

absl::Status Invalid(const ModelInfo& model, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "model ", Quote(model.name), " version ", model.version, ": ", what));
}

// Walks over elements of four bytes of length and so many bytes, across the
// chunks of the cord.
absl::Status CheckBytes(const absl::Cord& data, uint64_t elements) {
  absl::Cord::CharIterator at = data.char_begin();
  uint64_t left = data.size();
  uint64_t count = 0;
  while (left > 0) {
    if (left < 4) break;
    uint32_t size = 0;
    for (int i = 0; i < 4; ++i, ++at) {
      size |= static_cast<uint32_t>(static_cast<uint8_t>(*at)) << (8 * i);
    }
    left -= 4;
    if (size > left) {
      return absl::InvalidArgumentError(
          absl::StrCat("element ", count, " says that it has ", size,
                       " bytes, but only ", left, " follow its length"));
    }
    absl::Cord::Advance(&at, size);
    left -= size;
    ++count;
  }
  if (left > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("its data ends with ", left,
                     " bytes, fewer than the four of an element's length"));
  }
  if (count != elements) {
    return absl::InvalidArgumentError(absl::StrCat(
        "its data has ", count, " elements, its shape ", elements));
  }
  return absl::OkStatus();
}

absl::Status CheckData(const TensorSpec& spec, const Tensor& input) {
  const auto elements = CountElements(input.shape);
  if (!elements.ok()) return elements.status();
  if (input.dtype == DataType::kBytes) return CheckBytes(input.data, *elements);
  const uint64_t bytes = *elements * base::SizeOf(input.dtype);
  if (input.data.size() != bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", input.data.size(), " bytes of data, but shape ",
                     ShapeText(input.shape), " of ", base::NameOf(input.dtype),
                     " takes ", bytes));
  }
  if (absl::Status status =
          base::CheckLod(spec.lod_level, input.shape, input.lod);
      !status.ok()) {
    return status;
  }
  return base::CheckValues(spec, input.data);
}

// Where one input has no rows, none may have any.
absl::Status CheckEmpty(const ModelInfo& model, const Request& request) {
  const Tensor* empty = nullptr;
  const Tensor* full = nullptr;
  for (const Tensor& input : request.inputs) {
    if (!IsOpen(*Find(model.inputs, input.name))) continue;
    (input.shape[0] == 0 ? empty : full) = &input;
  }
  if (empty == nullptr || full == nullptr) return absl::OkStatus();
  return Invalid(
      model, absl::StrCat("input ", Quote(empty->name), " has no rows, input ",
                          Quote(full->name), " has ", full->shape[0]));
}

}  // namespace

absl::StatusOr<uint64_t> CountElements(const std::vector<int64_t>& shape) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max() / 8;
  uint64_t count = 1;
  bool possible = shape.size() <= kMaxRank;
  for (const int64_t dim : shape) {
    possible = possible && dim >= 0 &&
               dim <= std::numeric_limits<int32_t>::max() &&
               (dim == 0 || count <= kMost / static_cast<uint64_t>(dim));
    if (possible) count *= static_cast<uint64_t>(dim);
  }
  if (!possible) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shape ", base::Clip(ShapeText(shape), 500),
        " is not possible: it has at most ", kMaxRank,
        " dimensions of at most 2147483647, and all must fit into memory"));
  }
  return count;
}

absl::StatusOr<const TensorSpec*> FindInput(const ModelInfo& model,
                                            absl::string_view name) {
  const TensorSpec* spec = Find(model.inputs, name);
  if (spec != nullptr) return spec;
  return Invalid(model, absl::StrCat("unknown input ", Quote(name),
                                     "; inputs are ", Names(model.inputs)));
}

absl::Status CheckOutputName(const ModelInfo& model, absl::string_view name) {
  if (Find(model.outputs, name) != nullptr) return absl::OkStatus();
  return Invalid(model, absl::StrCat("unknown output ", Quote(name),
                                     "; outputs are ", Names(model.outputs)));
}

absl::Status CheckType(const ModelInfo& model, const TensorSpec& spec,
                       DataType dtype, const std::vector<int64_t>& shape) {
  if (dtype != spec.dtype || !Fits(shape, spec)) {
    return Invalid(
        model,
        absl::StrCat("input ", Quote(spec.name), " is ", base::NameOf(dtype),
                     " ", base::Clip(ShapeText(shape), 500), ", wanted ",
                     base::NameOf(spec.dtype), " ", ShapeText(spec.shape),
                     " (-1: any positive number)"));
  }
  if (IsOpen(spec) && model.max_batch_size > 0 &&
      shape[0] > model.max_batch_size) {
    return Invalid(model,
                   absl::StrCat("input ", Quote(spec.name), " has ", shape[0],
                                " rows; at most ", model.max_batch_size,
                                " (--max_batch_size) are computed at once"));
  }
  return absl::OkStatus();
}

absl::Status Validate(const ModelInfo& model, const Request& request) {
  // By name, in the order of the model's.
  std::vector<const Tensor*> given(model.inputs.size());
  for (const Tensor& input : request.inputs) {
    const auto spec = FindInput(model, input.name);
    if (!spec.ok()) return spec.status();
    const Tensor*& place =
        given[static_cast<size_t>(*spec - model.inputs.data())];
    if (place != nullptr) {
      return Invalid(
          model, absl::StrCat("input ", Quote(input.name), " is given twice"));
    }
    place = &input;
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const TensorSpec& spec = model.inputs[i];
    if (given[i] == nullptr) {
      return Invalid(model,
                     absl::StrCat("input ", Quote(spec.name), " is missing"));
    }
    if (absl::Status status =
            CheckType(model, spec, given[i]->dtype, given[i]->shape);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = CheckData(spec, *given[i]); !status.ok()) {
      return Invalid(model, absl::StrCat("input ", Quote(spec.name), ": ",
                                         status.message()));
    }
  }
  // One by one, so that nobody's batch fails for another's values.
  if (absl::Status status =
          base::CheckTogether(model.checks, model.inputs, given);
      !status.ok()) {
    return Invalid(model, status.message());
  }
  for (auto it = request.outputs.begin(); it != request.outputs.end(); ++it) {
    if (absl::Status status = CheckOutputName(model, *it); !status.ok()) {
      return status;
    }
    if (std::find(request.outputs.begin(), it, *it) != it) {
      return Invalid(
          model, absl::StrCat("output ", Quote(*it), " is asked for twice"));
    }
  }
  return CheckEmpty(model, request);
}

bool IsEmptyBatch(const ModelInfo& model, const Request& request) {
  return std::any_of(
      request.inputs.begin(), request.inputs.end(), [&](const Tensor& input) {
        return IsOpen(*Find(model.inputs, input.name)) && input.shape[0] == 0;
      });
}

absl::StatusOr<std::vector<Tensor>> AnswerEmptyBatch(const ModelInfo& model,
                                                     const Request& request) {
  std::vector<Tensor> outputs;
  const auto add = [&](const TensorSpec& spec) {
    std::vector<int64_t> shape = spec.shape;
    if (!IsBatch(spec)) return false;
    shape[0] = 0;
    outputs.push_back({spec.name, spec.dtype, shape, {}});
    return std::none_of(shape.begin(), shape.end(),
                        [](int64_t dim) { return dim < 0; });
  };
  const auto refuse = [&](const TensorSpec& spec) {
    return Invalid(
        model,
        absl::StrCat("a request without rows cannot be answered: "
                     "output ",
                     Quote(spec.name), " is of shape ", ShapeText(spec.shape),
                     spec.lod_level > 0 ? " with offsets (LoD)" : "",
                     ", which does not follow from the number of rows"));
  };
  if (request.outputs.empty()) {
    for (const TensorSpec& spec : model.outputs) {
      if (!add(spec)) return refuse(spec);
    }
  }
  for (const std::string& name : request.outputs) {
    const TensorSpec& spec = *Find(model.outputs, name);
    if (!add(spec)) return refuse(spec);
  }
  return outputs;
}

}  // namespace infer
