#include "cc/infer/batch_tensors.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace infer {
namespace {

// Offsets of a request's sequences, moved behind those before.
void AppendLod(const base::Lod& lod, base::Lod* all) {
  if (all->empty()) {
    *all = lod;
    return;
  }
  for (size_t i = 0; i < lod.size(); ++i) {
    std::vector<int64_t>& level = (*all)[i];
    const int64_t before = level.back();
    for (size_t j = 1; j < lod[i].size(); ++j) {
      level.push_back(before + lod[i][j]);
    }
  }
}

// Rows [first, first + rows) of an output.
Tensor Rows(const Tensor& output, int64_t first, int64_t rows) {
  const size_t row_bytes =
      output.shape[0] > 0
          ? output.data.size() / static_cast<size_t>(output.shape[0])
          : 0;
  Tensor part{output.name, output.dtype, output.shape,
              output.data.Subcord(static_cast<size_t>(first) * row_bytes,
                                  static_cast<size_t>(rows) * row_bytes)};
  part.shape[0] = rows;
  return part;
}

// What a request has of a batch.
struct Share {
  int64_t rows = 0;
  int64_t sequences = 0;  // of an input with offsets (LoD)
};

Share ShareOf(const Request& request) {
  Share share{RowsOf(request), 0};
  for (const Tensor& input : request.inputs) {
    if (!input.lod.empty()) {
      share.sequences = static_cast<int64_t>(input.lod.back().size()) - 1;
    }
  }
  return share;
}

// The part of an output that belongs to `share`, which begins at `begin` of
// `whole`; nullopt where the output tells no such part.
std::optional<Tensor> PartOf(const Tensor& output, const Share& whole,
                             const Share& begin, const Share& share) {
  if (output.shape.empty() || output.lod.size() > 1) return std::nullopt;
  if (output.lod.empty()) {
    if (output.shape[0] == whole.rows) {
      return Rows(output, begin.rows, share.rows);
    }
    if (whole.sequences > 0 && output.shape[0] == whole.sequences) {
      return Rows(output, begin.sequences, share.sequences);
    }
    return std::nullopt;
  }
  const std::vector<int64_t>& offsets = output.lod[0];
  const int64_t last = begin.sequences + share.sequences;
  if (static_cast<int64_t>(offsets.size()) != whole.sequences + 1 ||
      offsets.back() != output.shape[0] ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    return std::nullopt;
  }
  const int64_t first_row = offsets[static_cast<size_t>(begin.sequences)];
  Tensor part =
      Rows(output, first_row, offsets[static_cast<size_t>(last)] - first_row);
  std::vector<int64_t>& level = part.lod.emplace_back();
  for (int64_t i = begin.sequences; i <= last; ++i) {
    level.push_back(offsets[static_cast<size_t>(i)] - first_row);
  }
  return part;
}

// Those parts of all outputs.
absl::StatusOr<std::vector<Tensor>> PartsOf(const std::vector<Tensor>& outputs,
                                            const Share& whole,
                                            const Share& begin,
                                            const Share& share) {
  std::vector<Tensor> parts;
  for (const Tensor& output : outputs) {
    std::optional<Tensor> part = PartOf(output, whole, begin, share);
    if (!part) {
      return absl::InternalError(absl::StrCat(
          "output \"", output.name, "\" of a batch of ", whole.rows,
          " rows cannot be divided among its requests; serve this model with "
          "--batching=off"));
    }
    parts.push_back(*std::move(part));
  }
  return parts;
}

// Those that a request asked for, in its order.
std::vector<Tensor> Select(const Request& request,
                           std::vector<Tensor> outputs) {
  if (request.outputs.empty()) return outputs;
  std::vector<Tensor> selected;
  for (const std::string& name : request.outputs) {
    if (const Tensor* output = Find(outputs, name)) {
      selected.push_back(*output);
    }
  }
  return selected;
}

}  // namespace

std::vector<BatchInput> Gather(const std::vector<base::TensorSpec>& specs,
                               const Batch& batch) {
  std::vector<BatchInput> inputs;
  inputs.reserve(specs.size());
  for (const base::TensorSpec& spec : specs) {
    BatchInput& input = inputs.emplace_back();
    int64_t rows = 0;
    for (const auto& call : batch.calls) {
      const Tensor* const tensor = Find(call->request.inputs, spec.name);
      input.parts.push_back(&tensor->data);
      input.bytes += tensor->data.size();
      if (!tensor->lod.empty()) AppendLod(tensor->lod, &input.lod);
      if (input.shape.empty()) input.shape = tensor->shape;
      rows += tensor->shape.empty() ? 0 : tensor->shape[0];
    }
    if (input.shape.empty()) continue;
    input.padding_rows = batch.padded_rows - batch.rows;
    input.shape[0] = rows + input.padding_rows;
    input.row_bytes = rows > 0 ? input.bytes / static_cast<size_t>(rows) : 0;
  }
  return inputs;
}

std::vector<absl::StatusOr<std::vector<Tensor>>> Divide(
    const Batch& batch, std::vector<Tensor> outputs) {
  std::vector<absl::StatusOr<std::vector<Tensor>>> answers;
  answers.reserve(batch.calls.size());
  if (batch.calls.size() == 1 && batch.padded_rows == batch.rows) {
    answers.push_back(Select(batch.calls[0]->request, std::move(outputs)));
    return answers;
  }
  Share whole{batch.padded_rows, 0};
  std::vector<Share> shares;
  for (const auto& call : batch.calls) {
    shares.push_back(ShareOf(call->request));
    whole.sequences += shares.back().sequences;
  }
  Share begin;
  for (size_t i = 0; i < batch.calls.size(); ++i) {
    auto parts = PartsOf(outputs, whole, begin, shares[i]);
    if (parts.ok()) {
      answers.push_back(Select(batch.calls[i]->request, *std::move(parts)));
    } else {
      answers.push_back(parts.status());
    }
    begin.rows += shares[i].rows;
    begin.sequences += shares[i].sequences;
  }
  return answers;
}

}  // namespace infer
