#include "cc/frontend/rest/encode.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/base/data_type.h"
#include "cc/base/json.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/tensor_json.h"

namespace rest {
namespace {

using base::ShapeText;
using infer::Tensor;

void AppendField(absl::string_view key, absl::string_view value,
                 std::string* out) {
  absl::StrAppend(out, "\"", key, "\":");
  base::AppendJsonString(value, out);
}

// "name":...,"datatype":...,"shape":...
void AppendTensorHead(absl::string_view name, base::DataType type,
                      const std::vector<int64_t>& shape, std::string* out) {
  AppendField("name", name, out);
  absl::StrAppend(out, ",\"datatype\":\"", base::NameOf(type),
                  "\",\"shape\":", ShapeText(shape));
}

void AppendSpecs(absl::string_view key,
                 const std::vector<base::TensorSpec>& specs, std::string* out) {
  absl::StrAppend(out, "\"", key, "\":[");
  for (const base::TensorSpec& spec : specs) {
    if (&spec != &specs.front()) out->push_back(',');
    out->push_back('{');
    AppendTensorHead(spec.name, spec.dtype, spec.shape, out);
    if (spec.lod_level > 0) {
      absl::StrAppend(out, ",\"lod_level\":", spec.lod_level);
    }
    if (spec.range) {
      absl::StrAppend(out, ",\"range\":[", spec.range->min, ",",
                      spec.range->max, "]");
    }
    out->push_back('}');
  }
  out->push_back(']');
}

// "parameters":{...}, where there is one.
void AppendParameters(const Tensor& tensor, bool binary, std::string* out) {
  if (!binary && tensor.lod.empty()) return;
  out->append(",\"parameters\":{");
  if (binary) {
    absl::StrAppend(out, "\"binary_data_size\":", tensor.data.size());
  }
  if (!tensor.lod.empty()) {
    absl::StrAppend(out, binary ? "," : "", "\"lod\":");
    if (tensor.lod.size() == 1) {
      absl::StrAppend(out, ShapeText(tensor.lod[0]));
    } else {
      absl::StrAppend(out, "[",
                      absl::StrJoin(tensor.lod, ",",
                                    [](std::string* text, const auto& level) {
                                      absl::StrAppend(text, ShapeText(level));
                                    }),
                      "]");
    }
  }
  out->push_back('}');
}

bool IsBinary(const BinaryOutputs& binary, size_t i) {
  return i < binary.each.size() ? binary.each[i] : binary.all;
}

}  // namespace

size_t BytesAsJson(const BinaryOutputs& binary,
                   const std::vector<Tensor>& outputs) {
  size_t bytes = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!IsBinary(binary, i)) bytes += outputs[i].data.size();
  }
  return bytes;
}

absl::StatusOr<InferResponse> EncodeInferResponse(
    const infer::ModelInfo& model, absl::string_view id,
    const BinaryOutputs& binary, const std::vector<Tensor>& outputs) {
  std::string json = "{";
  AppendField("model_name", model.name, &json);
  json.push_back(',');
  AppendField("model_version", model.version, &json);
  if (!id.empty()) {
    json.push_back(',');
    AppendField("id", id, &json);
  }
  json.append(",\"outputs\":[");
  absl::Cord tail;
  bool any_binary = false;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& tensor = outputs[i];
    if (i > 0) json.push_back(',');
    json.push_back('{');
    AppendTensorHead(tensor.name, tensor.dtype, tensor.shape, &json);
    AppendParameters(tensor, IsBinary(binary, i), &json);
    if (IsBinary(binary, i)) {
      any_binary = true;
      tail.Append(tensor.data);
    } else {
      json.append(",\"data\":");
      if (absl::Status status = AppendTensorData(tensor, &json); !status.ok()) {
        return status;
      }
    }
    json.push_back('}');
  }
  json.append("]}");
  InferResponse response;
  if (any_binary) response.json_size = json.size();
  response.body = absl::Cord(std::move(json));
  response.body.Append(std::move(tail));
  return response;
}

std::string EncodeServerMetadata(absl::string_view name,
                                 absl::string_view version) {
  std::string out = "{";
  AppendField("name", name, &out);
  out.push_back(',');
  AppendField("version", version, &out);
  out.append(",\"extensions\":[\"binary_tensor_data\",\"lod\"]}");
  return out;
}

std::string EncodeModelMetadata(const infer::ModelInfo& model,
                                const std::vector<std::string>& versions) {
  std::string out = "{";
  AppendField("name", model.name, &out);
  // Versions are decimal numbers: nothing in them needs escaping.
  absl::StrAppend(&out, ",\"versions\":[",
                  absl::StrJoin(versions, ",",
                                [](std::string* text, const auto& version) {
                                  absl::StrAppend(text, "\"", version, "\"");
                                }),
                  "],");
  AppendField("platform", model.platform, &out);
  out.push_back(',');
  AppendSpecs("inputs", model.inputs, &out);
  out.push_back(',');
  AppendSpecs("outputs", model.outputs, &out);
  out.push_back('}');
  return out;
}

std::string EncodeModelReady(const infer::ModelInfo& model) {
  std::string out = "{";
  AppendField("name", model.name, &out);
  out.append(",\"ready\":true}");
  return out;
}

std::string EncodeRepositoryIndex(const std::vector<infer::IndexEntry>& models,
                                  bool ready_only) {
  std::string out = "[";
  for (const infer::IndexEntry& model : models) {
    if (ready_only && model.state != infer::State::kReady) continue;
    if (out.size() > 1) out.push_back(',');
    out.push_back('{');
    AppendField("name", model.name, &out);
    out.push_back(',');
    AppendField("version", model.version, &out);
    out.push_back(',');
    AppendField("state", infer::NameOf(model.state), &out);
    out.push_back(',');
    AppendField("reason", model.reason, &out);
    out.push_back('}');
  }
  out.push_back(']');
  return out;
}

std::string EncodeError(absl::string_view message) {
  std::string out = "{";
  AppendField("error", message, &out);
  out.push_back('}');
  return out;
}

}  // namespace rest
