#include "cc/server/validate.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace server {
namespace {

using engine::Tensor;
using engine::TensorSpec;

bool Fits(const std::vector<int64_t>& shape, const std::vector<int64_t>& spec) {
  return std::equal(shape.begin(), shape.end(), spec.begin(), spec.end(),
                    [](int64_t have, int64_t want) {
                      return want < 0 ? have > 0 : have == want;
                    });
}

std::string Names(const std::vector<TensorSpec>& specs) {
  return absl::StrJoin(specs, ", ",
                       [](std::string* out, const TensorSpec& spec) {
                         absl::StrAppend(out, "\"", spec.name, "\"");
                       });
}

template <typename Named>
size_t CountNamed(const std::vector<Named>& all, absl::string_view name) {
  return std::count_if(all.begin(), all.end(),
                       [name](const Named& one) { return one.name == name; });
}

absl::Status Invalid(const ModelInfo& model, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "model \"", model.name, "\" version ", model.version, ": ", what));
}

}  // namespace

absl::Status ValidateRequest(const ModelInfo& model,
                             const InferRequest& request) {
  for (const Tensor& input : request.inputs) {
    if (CountNamed(model.inputs, input.name) == 0) {
      return Invalid(
          model, absl::StrCat("unknown input \"", input.name, "\"; inputs are ",
                              Names(model.inputs)));
    }
  }
  for (const TensorSpec& spec : model.inputs) {
    const size_t given = CountNamed(request.inputs, spec.name);
    if (given != 1) {
      return Invalid(model,
                     absl::StrCat("input \"", spec.name, "\" is ",
                                  given == 0 ? "missing" : "given twice"));
    }
    const Tensor& input =
        *std::find_if(request.inputs.begin(), request.inputs.end(),
                      [&](const Tensor& t) { return t.name == spec.name; });
    if (input.dtype != spec.dtype || !Fits(input.shape, spec.shape)) {
      return Invalid(
          model,
          absl::StrCat("input \"", spec.name, "\" is ",
                       DataTypeName(input.dtype), " ", ShapeText(input.shape),
                       ", wanted ", DataTypeName(spec.dtype), " ",
                       ShapeText(spec.shape), " (-1: any positive number)"));
    }
    if (const absl::Status status =
            engine::CheckLod(spec.lod_level, input.shape, input.lod);
        !status.ok()) {
      return Invalid(
          model, absl::StrCat("input \"", spec.name, "\": ", status.message()));
    }
  }
  for (const RequestedOutput& output : request.outputs) {
    if (CountNamed(model.outputs, output.name) == 0) {
      return Invalid(model,
                     absl::StrCat("unknown output \"", output.name,
                                  "\"; outputs are ", Names(model.outputs)));
    }
    if (CountNamed(request.outputs, output.name) > 1) {
      return Invalid(model, absl::StrCat("output \"", output.name,
                                         "\" is asked for twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateBatch(const ModelInfo& model, const InferRequest& request,
                           int64_t max_batch_size) {
  for (const TensorSpec& spec : model.inputs) {
    if (spec.shape.empty() || spec.shape[0] >= 0) continue;
    for (const Tensor& input : request.inputs) {
      if (input.name == spec.name && input.shape[0] > max_batch_size) {
        return Invalid(
            model,
            absl::StrCat("input \"", spec.name, "\" has ", input.shape[0],
                         " rows; at most ", max_batch_size,
                         " (--max_batch_size) are computed at once"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace server
