#include "cc/tune/requests.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/base/made_up.h"
#include "cc/infer/validate.h"

namespace tune {
namespace {

std::string Words(const std::vector<int64_t>& shape) {
  return absl::StrJoin(shape, ",");
}

// The shape with sizes for what is open; -1 stays where rows are counted.
absl::StatusOr<std::vector<int64_t>> Sizes(const base::TensorSpec& spec,
                                           bool counts, const Shapes& shapes) {
  const bool sequences = spec.lod_level > 0;
  const auto given = shapes.find(spec.name);
  std::vector<int64_t> sizes =
      given == shapes.end() ? spec.shape : given->second;
  bool fits = sizes.size() == spec.shape.size();
  bool open = false;
  for (size_t i = 0; fits && i < sizes.size(); ++i) {
    const bool counted = i == 0 && counts && !sequences;
    if (counted) {
      fits = sizes[i] == -1;
    } else if (spec.shape[i] >= 0) {
      fits = sizes[i] == spec.shape[i];
    } else {
      open = open || sizes[i] < 0;
      fits = sizes[i] == -1 || sizes[i] >= 1;
    }
  }
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shape=", spec.name, "=", Words(sizes),
                     " does not fit the input's shape ", Words(spec.shape),
                     counts && !sequences
                         ? ": a -1 at its begin stays, as --rows counts there"
                         : ""));
  }
  if (open) {
    std::vector<int64_t> example = spec.shape;
    for (size_t i = counts && !sequences ? 1 : 0; i < example.size(); ++i) {
      if (example[i] < 0) example[i] = 16;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "input ", spec.name, " has the shape ", Words(spec.shape),
        ", where -1 is open: give its size, as --shape=", spec.name, "=",
        Words(example),
        sequences ? ", of which the first number is the length of a sequence"
                  : "",
        ", or a request with --input"));
  }
  return sizes;
}

// Rows of a tensor, each by itself.
std::vector<absl::Cord> Cut(const infer::Tensor& tensor) {
  std::vector<absl::Cord> rows;
  const size_t bytes =
      tensor.data.size() / static_cast<size_t>(tensor.shape[0]);
  for (size_t i = 0; i < static_cast<size_t>(tensor.shape[0]); ++i) {
    rows.push_back(tensor.data.Subcord(i * bytes, bytes));
  }
  return rows;
}

}  // namespace

absl::StatusOr<Requests> Requests::Make(
    const infer::ModelInfo& model, const Shapes& shapes,
    const std::optional<infer::Request>& given) {
  Requests requests;
  for (const base::TensorSpec& spec : model.inputs) {
    requests.sequences_ = requests.sequences_ || spec.lod_level > 0;
  }
  requests.counts_ = model.max_batch_size > 0;
  if (given) {
    if (absl::Status status = infer::Validate(model, *given); !status.ok()) {
      return status;
    }
    if (infer::IsEmptyBatch(model, *given)) {
      return absl::InvalidArgumentError("the request of --input has no rows");
    }
    // Which parts of sequences belong together is the request's to say.
    requests.counts_ = requests.divides();
  }
  if (given && !requests.counts_) {
    requests.whole_ = given;
    return requests;
  }
  for (const auto& [name, shape] : shapes) {
    if (given) {
      return absl::InvalidArgumentError(
          "--shape says nothing of a request that is given with --input");
    }
    if (infer::Find(model.inputs, name) == nullptr) {
      return infer::FindInput(model, name).status();
    }
  }
  for (const base::TensorSpec& spec : model.inputs) {
    Input input{spec, {}, 1, 1};
    if (given) {
      const infer::Tensor& tensor = *infer::Find(given->inputs, spec.name);
      input.spec.shape = tensor.shape;
      input.spec.shape[0] = -1;
      input.rows = Cut(tensor);
    } else {
      if (spec.lod_level > 1) {
        return absl::InvalidArgumentError(absl::StrCat(
            "input ", spec.name, " has ", spec.lod_level,
            " levels of offsets (LoD): give a request with --input"));
      }
      auto sizes = Sizes(spec, requests.counts_, shapes);
      if (!sizes.ok()) return sizes.status();
      input.spec.shape = *std::move(sizes);
      if (spec.lod_level > 0) {
        input.length = input.spec.shape[0];
        input.spec.shape[0] = -1;
      }
      for (const int64_t size : input.spec.shape) {
        if (size >= 0) input.elements *= static_cast<size_t>(size);
      }
      input.elements *= static_cast<size_t>(input.length);
    }
    requests.inputs_.push_back(std::move(input));
  }
  if (absl::Status status = infer::Validate(model, requests.Of(0, 1));
      !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("made-up values do not fit: ", status.message(),
                     "; give a request with --input"));
  }
  return requests;
}

infer::Request Requests::Of(int64_t first, int64_t count) const {
  if (whole_) return *whole_;
  infer::Request request;
  for (const Input& input : inputs_) {
    infer::Tensor tensor{
        input.spec.name, input.spec.dtype, input.spec.shape, {}, {}};
    std::vector<int64_t> offsets = {0};
    for (int64_t row = first; row < first + count; ++row) {
      if (input.rows.empty()) {
        tensor.data.Append(base::MadeUpValues(input.spec, input.elements,
                                              static_cast<unsigned>(row)));
      } else {
        tensor.data.Append(
            input.rows[static_cast<size_t>(row) % input.rows.size()]);
      }
      offsets.push_back(offsets.back() + input.length);
    }
    if (!tensor.shape.empty() && tensor.shape[0] < 0) {
      tensor.shape[0] = count * input.length;
    }
    if (input.spec.lod_level > 0) tensor.lod = {offsets};
    request.inputs.push_back(std::move(tensor));
  }
  return request;
}

}  // namespace tune
