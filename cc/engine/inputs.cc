#include "cc/engine/inputs.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/base/data_type.h"

namespace engine {
namespace {

// Paddle counts elements and dimensions in int.
constexpr int64_t kMaxElements = std::numeric_limits<int>::max();

std::string Dims(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

void Narrow(const base::ValueCheck& check, TensorSpec* spec) {
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

// Checks one input against its declaration and gives the shape as Paddle takes
// it.
absl::StatusOr<std::vector<int>> CheckInput(const TensorSpec& spec,
                                            const TensorView& input) {
  const auto invalid = [&](const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat("input ", spec.name, ": ", what));
  };
  if (input.dtype != spec.dtype) {
    return invalid(absl::StrCat("its type is ", NameOf(input.dtype),
                                ", the model takes ", NameOf(spec.dtype)));
  }
  if (input.shape.size() != spec.shape.size()) {
    return invalid(absl::StrCat("its shape ", Dims(input.shape), " has ",
                                input.shape.size(), " dimensions, the model ",
                                "takes ", Dims(spec.shape)));
  }
  std::vector<int> shape;
  int64_t elements = 1;
  for (size_t i = 0; i < spec.shape.size(); ++i) {
    const int64_t dim = input.shape[i];
    if (dim < 1 || (spec.shape[i] >= 0 && dim != spec.shape[i])) {
      return invalid(absl::StrCat("its shape is ", Dims(input.shape),
                                  ", the model takes ", Dims(spec.shape),
                                  " (-1: any number from 1)"));
    }
    if (dim > kMaxElements / elements) {
      return invalid(absl::StrCat("its shape ", Dims(input.shape),
                                  " has more than ", kMaxElements,
                                  " elements"));
    }
    elements *= dim;
    shape.push_back(static_cast<int>(dim));
  }
  if (absl::Status status =
          base::CheckLod(spec.lod_level, input.shape, input.lod);
      !status.ok()) {
    return invalid(std::string(status.message()));
  }
  const size_t bytes = static_cast<size_t>(elements) * SizeOf(spec.dtype);
  if (input.data.size() != bytes) {
    return invalid(absl::StrCat("it has ", input.data.size(), " bytes, ",
                                NameOf(spec.dtype), " of shape ",
                                Dims(input.shape), " has ", bytes));
  }
  if (absl::Status status = base::CheckValues(spec, input.data); !status.ok()) {
    return invalid(std::string(status.message()));
  }
  return shape;
}

absl::StatusOr<Checked> Check(const std::vector<TensorSpec>& specs,
                              const std::vector<TensorView>& inputs) {
  Checked checked;
  checked.inputs.resize(specs.size(), nullptr);
  for (const TensorView& input : inputs) {
    size_t i = 0;
    while (i < specs.size() && specs[i].name != input.name) ++i;
    if (i == specs.size()) {
      std::vector<std::string> names;
      for (const TensorSpec& spec : specs) names.push_back(spec.name);
      return absl::InvalidArgumentError(
          absl::StrCat("the model has no input ", input.name,
                       "; its inputs are: ", absl::StrJoin(names, ", ")));
    }
    if (checked.inputs[i] != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("input ", input.name, " is given twice"));
    }
    checked.inputs[i] = &input;
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    if (checked.inputs[i] == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("input ", specs[i].name, " is missing"));
    }
    absl::StatusOr<std::vector<int>> shape =
        CheckInput(specs[i], *checked.inputs[i]);
    if (!shape.ok()) return shape.status();
    checked.shapes.push_back(*std::move(shape));
  }
  return checked;
}

}  // namespace

// The names, types and shapes of a program's inputs or outputs. They are taken
// from the program and not from the predictor, which throws where an output is
// BOOL.
absl::StatusOr<std::vector<TensorSpec>> Specs(
    const std::string& end, const std::vector<NamedTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, desc, lod_level] : tensors) {
    // ParseTensorDesc has let no other number pass.
    const base::ProgramType& type = *base::ProgramTypeOf(desc.data_type);
    if (!type.engine_serves) {
      const char* wider =
          type.type && base::IsInteger(*type.type) ? "INT32" : "FP32";
      return absl::InvalidArgumentError(absl::StrCat(
          type.name, " of ", end, " ", name, " is not served: ",
          end == "input" ? absl::StrCat("declare it as ", wider,
                                        " and cast it in the model")
                         : absl::StrCat("cast it to ", wider),
          " before the export"));
    }
    specs.push_back({name, *type.type, desc.dims, lod_level});
  }
  return specs;
}

std::vector<base::ValueCheck> FillRanges(std::vector<base::ValueCheck> checks,
                                         std::vector<TensorSpec>* specs) {
  std::vector<base::ValueCheck> others;
  for (base::ValueCheck& check : checks) {
    if (!check.of && check.parts.empty()) {
      Narrow(check, &(*specs)[check.input]);
    } else {
      others.push_back(std::move(check));
    }
  }
  return others;
}

absl::StatusOr<Checked> Check(const Model& model,
                              const std::vector<TensorView>& inputs) {
  absl::StatusOr<Checked> checked = Check(model.inputs, inputs);
  if (!checked.ok()) return checked;
  absl::Status status =
      base::CheckTogether(model.checks, model.inputs, checked->inputs);
  if (!status.ok()) return status;
  return checked;
}

}  // namespace engine
