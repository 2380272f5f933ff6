#include "cc/server/encode.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/server/json.h"
#include "cc/server/tensor_json.h"

namespace server {
namespace {

using engine::Tensor;
using engine::TensorSpec;

void AppendField(absl::string_view key, absl::string_view value,
                 std::string* out) {
  absl::StrAppend(out, "\"", key, "\":");
  AppendJsonString(value, out);
}

// "name":…,"datatype":…,"shape":…
void AppendTensorHead(absl::string_view name, engine::DataType type,
                      const std::vector<int64_t>& shape, std::string* out) {
  AppendField("name", name, out);
  absl::StrAppend(out, ",\"datatype\":\"", DataTypeName(type),
                  "\",\"shape\":", ShapeText(shape));
}

void AppendSpecs(absl::string_view key, const std::vector<TensorSpec>& specs,
                 std::string* out) {
  absl::StrAppend(out, "\"", key, "\":[");
  for (const TensorSpec& spec : specs) {
    if (&spec != &specs.front()) out->push_back(',');
    out->push_back('{');
    AppendTensorHead(spec.name, spec.dtype, spec.shape, out);
    if (spec.lod_level > 0) {
      absl::StrAppend(out, ",\"lod_level\":", spec.lod_level);
    }
    out->push_back('}');
  }
  out->push_back(']');
}

// "parameters":{…}, where there is one.
void AppendParameters(const Tensor& tensor, bool binary, std::string* out) {
  std::vector<std::string> parameters;
  if (binary) {
    parameters.push_back(
        absl::StrCat("\"binary_data_size\":", tensor.data.size()));
  }
  if (tensor.lod.size() == 1) {
    parameters.push_back(absl::StrCat("\"lod\":", ShapeText(tensor.lod[0])));
  } else if (!tensor.lod.empty()) {
    std::vector<std::string> levels;
    for (const std::vector<int64_t>& level : tensor.lod) {
      levels.push_back(ShapeText(level));
    }
    parameters.push_back(
        absl::StrCat("\"lod\":[", absl::StrJoin(levels, ","), "]"));
  }
  if (parameters.empty()) return;
  absl::StrAppend(out, ",\"parameters\":{", absl::StrJoin(parameters, ","),
                  "}");
}

struct WantedResult {
  const Tensor* tensor;
  bool binary;
};

absl::StatusOr<std::vector<WantedResult>> Select(
    const InferRequest& request, const std::vector<Tensor>& results) {
  std::vector<WantedResult> wanted;
  if (request.outputs.empty()) {
    for (const Tensor& tensor : results) {
      wanted.push_back({&tensor, request.binary_outputs});
    }
  }
  for (const RequestedOutput& output : request.outputs) {
    const auto it =
        std::find_if(results.begin(), results.end(),
                     [&](const Tensor& t) { return t.name == output.name; });
    if (it == results.end()) {
      return absl::InternalError(
          absl::StrCat("the model gave no output \"", output.name, "\""));
    }
    wanted.push_back({&*it, output.binary});
  }
  return wanted;
}

}  // namespace

absl::StatusOr<EncodedResponse> EncodeInferResponse(
    const ModelInfo& model, const InferRequest& request,
    const std::vector<Tensor>& results) {
  const auto wanted = Select(request, results);
  if (!wanted.ok()) return wanted.status();
  EncodedResponse response;
  std::string& out = response.body;
  out.push_back('{');
  AppendField("model_name", model.name, &out);
  out.push_back(',');
  AppendField("model_version", model.version, &out);
  if (!request.id.empty()) {
    out.push_back(',');
    AppendField("id", request.id, &out);
  }
  out.append(",\"outputs\":[");
  size_t binary_size = 0;
  bool any_binary = false;
  for (const auto& [tensor, binary] : *wanted) {
    if (tensor != wanted->front().tensor) out.push_back(',');
    out.push_back('{');
    AppendTensorHead(tensor->name, tensor->dtype, tensor->shape, &out);
    AppendParameters(*tensor, binary, &out);
    if (binary) {
      binary_size += tensor->data.size();
      any_binary = true;
    } else {
      out.append(",\"data\":");
      if (absl::Status status = AppendTensorData(*tensor, &out); !status.ok()) {
        return status;
      }
    }
    out.push_back('}');
  }
  out.append("]}");
  if (any_binary) {
    response.json_size = out.size();
    out.reserve(out.size() + binary_size);
    for (const auto& [tensor, binary] : *wanted) {
      if (binary) out.append(tensor->data);
    }
  }
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

std::string EncodeModelMetadata(const ModelInfo& model,
                                const std::vector<std::string>& versions) {
  std::string out = "{";
  AppendField("name", model.name, &out);
  // Versions are decimal numbers: nothing in them needs escaping.
  absl::StrAppend(&out, ",\"versions\":[\"", absl::StrJoin(versions, "\",\""),
                  "\"],");
  AppendField("platform", model.platform, &out);
  out.push_back(',');
  AppendSpecs("inputs", model.inputs, &out);
  out.push_back(',');
  AppendSpecs("outputs", model.outputs, &out);
  out.push_back('}');
  return out;
}

std::string EncodeModelReady(const ModelInfo& model) {
  std::string out = "{";
  AppendField("name", model.name, &out);
  out.append(",\"ready\":true}");
  return out;
}

std::string EncodeRepositoryIndex(const std::vector<const ModelInfo*>& models) {
  std::string out = "[";
  for (const ModelInfo* model : models) {
    if (model != models.front()) out.push_back(',');
    out.push_back('{');
    AppendField("name", model->name, &out);
    out.push_back(',');
    AppendField("version", model->version, &out);
    out.append(",\"state\":\"READY\",\"reason\":\"\"}");
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

}  // namespace server
