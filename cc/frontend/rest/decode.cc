#include "cc/frontend/rest/decode.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/input_reader.h"
#include "cc/frontend/rest/json_reader.h"
#include "cc/frontend/rest/json_text.h"

namespace rest {
namespace {

using base::DataType;
using base::Quote;
using base::ShapeText;
using infer::Tensor;

constexpr size_t kMaxTensors = 1024;
// Longer timeouts are as good as none, and their sum with a time overflows.
constexpr uint64_t kMaxTimeoutUs = uint64_t{365} * 24 * 3600 * 1'000'000;

// Reads the whole request, field by field as they come.
class RequestReader {
 public:
  RequestReader(const infer::ModelInfo& model, const absl::Cord& binary,
                size_t text_bytes, base::ByteBudget* budget,
                InferRequest* result)
      : model_(model),
        binary_(binary),
        text_bytes_(text_bytes),
        budget_(budget),
        result_(*result) {}

  absl::Status Read(json::object root);

 private:
  absl::Status ReadInputs(json::value value);
  absl::Status ReadOutputs(json::value value);
  absl::Status ReadOutput(json::value value);
  absl::Status ReadRequestParameters(json::value value);

  const infer::ModelInfo& model_;
  const absl::Cord& binary_;
  const size_t text_bytes_;
  base::ByteBudget* const budget_;
  InferRequest& result_;
  size_t binary_at_ = 0;
  // Of each output that is named; the rest follow binary_data_output.
  std::vector<std::optional<bool>> binary_outputs_;
};

absl::Status RequestReader::Read(json::object root) {
  enum { kId, kParameters, kInputs, kOutputs };
  static constexpr std::array<absl::string_view, 4> kNames = {
      "id", "parameters", "inputs", "outputs"};
  bool has_inputs = false;
  absl::Status status =
      ReadFields(root, kNames, [&](size_t i, json::value value) {
        switch (i) {
          case kId:
            return GetString(value, "id", &result_.request.id);
          case kParameters:
            return ReadRequestParameters(value);
          case kInputs:
            has_inputs = true;
            return ReadInputs(value);
          default:
            return ReadOutputs(value);
        }
      });
  if (!status.ok()) return status;
  if (!has_inputs) return Invalid("\"inputs\" is missing");
  if (binary_at_ < binary_.size()) {
    return Invalid(absl::StrCat(
        binary_.size() - binary_at_, " bytes of binary data are left over: ",
        "the sum of \"binary_data_size\" is smaller than what follows the ",
        "JSON"));
  }
  for (const std::optional<bool> binary : binary_outputs_) {
    result_.binary.each.push_back(binary.value_or(result_.binary.all));
  }
  return absl::OkStatus();
}

absl::Status RequestReader::ReadInputs(json::value value) {
  std::vector<Tensor>& inputs = result_.request.inputs;
  return ReadElements(value, "inputs", [&](json::value element) {
    if (inputs.size() >= kMaxTensors) return Invalid("too many inputs");
    Tensor& tensor = inputs.emplace_back();
    absl::Status status =
        InputReader(model_, inputs, binary_, text_bytes_, budget_)
            .Read(element, &binary_at_, &tensor);
    if (status.ok()) return status;
    return At(tensor.name.empty()
                  ? absl::StrCat("input ", inputs.size() - 1, ": ")
                  : absl::StrCat("input ", Quote(tensor.name), ": "),
              status);
  });
}

absl::Status RequestReader::ReadOutputs(json::value value) {
  return ReadElements(value, "outputs", [&](json::value element) {
    const size_t number = binary_outputs_.size();
    if (number >= kMaxTensors) return Invalid("too many outputs");
    return At(absl::StrCat("output ", number, ": "), ReadOutput(element));
  });
}

absl::Status RequestReader::ReadOutput(json::value value) {
  enum { kName, kParameters };
  static constexpr std::array<absl::string_view, 2> kNames = {"name",
                                                              "parameters"};
  bool named = false;
  TensorParameters parameters;
  std::string& name = result_.request.outputs.emplace_back();
  absl::Status status =
      ReadFields(value, "it", kNames, [&](size_t i, json::value field) {
        if (i == kParameters) return ReadParameters(field, &parameters);
        named = true;
        return GetString(field, "name", &name);
      });
  if (!status.ok()) return status;
  if (!named) return Invalid("\"name\" is missing");
  if (parameters.lod) return Invalid("\"lod\" belongs to inputs");
  binary_outputs_.push_back(parameters.binary);
  return absl::OkStatus();
}

absl::Status RequestReader::ReadRequestParameters(json::value value) {
  enum { kBinaryOutputs, kPriority, kTimeout };
  static constexpr std::array<absl::string_view, 3> kNames = {
      "binary_data_output", "priority", "timeout"};
  absl::Status status =
      ReadFields(value, "it", kNames, [&](size_t i, json::value field) {
        if (i == kBinaryOutputs) {
          return Get(field, kNames[i], "boolean", &result_.binary.all);
        }
        if (i == kPriority) {
          return Get(field, kNames[i], "number from 0 on",
                     &result_.request.priority);
        }
        uint64_t us = 0;
        absl::Status got =
            Get(field, kNames[i], "number of microseconds from 0 on", &us);
        result_.request.timeout =
            std::chrono::microseconds(std::min(us, kMaxTimeoutUs));
        return got;
      });
  return At("\"parameters\": ", status);
}

}  // namespace

absl::StatusOr<InferRequest> DecodeInferRequest(const infer::ModelInfo& model,
                                                const Body& body,
                                                base::ByteBudget* budget) {
  const size_t size = body.json_size.value_or(body.bytes.size());
  if (size > body.bytes.size()) {
    return Invalid(absl::StrCat(kJsonLengthHeader, " is ", size,
                                ", but the body has ", body.bytes.size(),
                                " bytes"));
  }
  const JsonText text(body.bytes, size, body.padded);
  const absl::Cord binary = body.bytes.Subcord(size, body.bytes.size() - size);
  InferRequest result;
  absl::Status status = ParseObject(text.view(), [&](json::object root) {
    return RequestReader(model, binary, size, budget, &result).Read(root);
  });
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<InferRequest> DecodeRawRequest(const infer::ModelInfo& model,
                                              const absl::Cord& body) {
  if (model.inputs.size() != 1) {
    return Invalid(absl::StrCat("a raw body needs a model with one input; ",
                                Quote(model.name), " has ",
                                model.inputs.size()));
  }
  const base::TensorSpec& spec = model.inputs.front();
  Tensor tensor{spec.name, spec.dtype, spec.shape, body};
  size_t known = base::SizeOf(spec.dtype);
  if (spec.dtype == DataType::kBytes) {
    char size[4];
    for (size_t i = 0; i < 4; ++i) {
      size[i] = static_cast<char>(body.size() >> (8 * i));
    }
    tensor.data.Prepend(absl::string_view(size, 4));
    known = body.size();
  }
  auto variable = std::count_if(spec.shape.begin(), spec.shape.end(),
                                [](int64_t dim) { return dim < 0; });
  if (variable > 1 && tensor.shape.front() < 0) {
    tensor.shape.front() = 1;
    --variable;
  }
  int64_t* unknown = nullptr;
  for (int64_t& dim : tensor.shape) {
    if (dim < 0) {
      unknown = &dim;
    } else {
      known *= static_cast<size_t>(dim);
    }
  }
  const bool divides = known > 0 && !body.empty() && body.size() % known == 0;
  if (variable > 1 || !divides ||
      (unknown == nullptr && body.size() != known)) {
    return Invalid(
        absl::StrCat("a raw body of ", body.size(),
                     " bytes does not make up input ", Quote(spec.name), " of ",
                     base::NameOf(spec.dtype), " ", ShapeText(spec.shape)));
  }
  if (unknown != nullptr) *unknown = static_cast<int64_t>(body.size() / known);
  if (spec.lod_level > 0 && !tensor.shape.empty()) {
    // One sequence, on every level.
    tensor.lod.assign(static_cast<size_t>(spec.lod_level), {0, 1});
    tensor.lod.back().back() = tensor.shape.front();
  }
  InferRequest result;
  result.request.inputs.push_back(std::move(tensor));
  result.binary.all = true;
  return result;
}

absl::StatusOr<bool> DecodeIndexRequest(const absl::Cord& body) {
  bool ready = false;
  if (body.empty()) return ready;
  static constexpr std::array<absl::string_view, 1> kNames = {"ready"};
  const JsonText text(body, body.size(), false);
  absl::Status status = ParseObject(text.view(), [&](json::object root) {
    return ReadFields(root, kNames, [&](size_t, json::value value) {
      return Get(value, "ready", "boolean", &ready);
    });
  });
  if (!status.ok()) return status;
  return ready;
}

}  // namespace rest
