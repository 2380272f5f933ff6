#include "cc/engine/value_checks.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engine {
namespace {

// Whether CheckValues reads such elements; no table is looked up in by others.
bool HasRange(DataType dtype) {
  return base::IsInteger(dtype) || dtype == DataType::kFloat32 ||
         dtype == DataType::kFloat64;
}

void Narrow(const ValueCheck& check, TensorSpec* spec) {
  if (!spec->range) {
    spec->range = {check.min, check.max, check.reason};
    return;
  }
  // The reason is that of the upper end, which is what requests meet.
  if (check.max < spec->range->max) {
    spec->range->max = check.max;
    spec->range->reason = check.reason;
  }
  spec->range->min = std::max(spec->range->min, check.min);
}

// The elements of the parts, in order.
std::string Cut(const TensorView& input, const std::vector<Part>& parts) {
  const size_t size = SizeOf(input.dtype);
  const size_t rank = input.shape.size();
  std::vector<int64_t> begin(rank, 0);
  std::vector<int64_t> end = input.shape;
  for (const Part& part : parts) {
    begin[part.axis] = std::max(begin[part.axis], part.begin);
    end[part.axis] = std::min(end[part.axis], part.end);
  }
  std::string cut;
  std::vector<int64_t> at = begin;
  for (size_t i = 0; i < rank; ++i) {
    if (begin[i] >= end[i]) return cut;
  }
  while (true) {
    size_t offset = 0;
    for (size_t i = 0; i < rank; ++i) {
      offset = offset * static_cast<size_t>(input.shape[i]) +
               static_cast<size_t>(at[i]);
    }
    cut.append(input.data.substr(offset * size, size));
    size_t axis = rank;
    while (axis > 0 && ++at[axis - 1] == end[axis - 1]) {
      at[axis - 1] = begin[axis - 1];
      --axis;
    }
    if (axis == 0) return cut;
  }
}

// "[:, 0:1]"
std::string Text(const std::vector<Part>& parts, size_t rank) {
  std::vector<std::string> texts(rank, ":");
  for (const Part& part : parts) {
    texts[part.axis] = absl::StrCat(part.begin, ":", part.end);
  }
  std::string text;
  for (const std::string& one : texts) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", one);
  }
  return absl::StrCat("[", text, "]");
}

}  // namespace

std::vector<ValueCheck> FillRanges(std::vector<ValueCheck> checks,
                                   std::vector<TensorSpec>* specs) {
  std::vector<ValueCheck> others;
  for (ValueCheck& check : checks) {
    TensorSpec& spec = (*specs)[check.input];
    if (!HasRange(spec.dtype)) continue;
    if (!check.of && check.parts.empty()) {
      Narrow(check, &spec);
    } else {
      others.push_back(std::move(check));
    }
  }
  return others;
}

absl::Status CheckRun(const std::vector<ValueCheck>& checks,
                      const std::vector<TensorSpec>& specs,
                      const std::vector<const TensorView*>& inputs) {
  for (const ValueCheck& check : checks) {
    const TensorView& input = *inputs[check.input];
    TensorSpec spec = specs[check.input];
    spec.range = {check.min, check.max, check.reason};
    if (check.of) {
      spec.range->max += inputs[check.of->input]->shape[check.of->axis];
    }
    const absl::Status status =
        check.parts.empty() ? CheckValues(spec, input.data)
                            : CheckValues(spec, Cut(input, check.parts));
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "input ", input.name,
          check.parts.empty() ? "" : Text(check.parts, input.shape.size()),
          ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace engine
