#include "cc/frontend/rest/encode.h"

#include <memory>
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
    absl::StrAppend(out, binary ? "," : "",
                    "\"lod\":", base::LodText(tensor.lod));
  }
  out->push_back('}');
}

bool IsBinary(const BinaryOutputs& binary, size_t i) {
  return i < binary.each.size() ? binary.each[i] : binary.all;
}

// Of an element, with the comma before it: "-1.17549435e-38".
size_t MostCharacters(base::DataType type) {
  switch (type) {
    case base::DataType::kBool:
    case base::DataType::kUint16:
      return 6;
    case base::DataType::kUint8:
      return 4;
    case base::DataType::kInt8:
      return 5;
    case base::DataType::kInt16:
      return 7;
    case base::DataType::kUint32:
      return 11;
    case base::DataType::kInt32:
      return 12;
    case base::DataType::kUint64:
    case base::DataType::kInt64:
      return 21;
    case base::DataType::kFloat16:
    case base::DataType::kBfloat16:
    case base::DataType::kFloat32:
      return 16;
    case base::DataType::kFloat64:
    case base::DataType::kBytes:
      break;
  }
  return 25;
}

struct ChargedText {
  explicit ChargedText(base::ByteBudget* budget) : charge(budget) {}

  base::Charge charge;
  std::string json;
};

absl::Status NoRoom(size_t bytes) {
  return absl::UnavailableError(absl::StrCat(
      "the server has no room to write an answer of ", bytes,
      " bytes as JSON just now (--max_inflight_bytes); as binary data it takes "
      "less"));
}

}  // namespace

size_t TextBytes(const BinaryOutputs& binary,
                 const std::vector<Tensor>& outputs) {
  size_t bytes = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (IsBinary(binary, i)) continue;
    const base::DataType type = outputs[i].dtype;
    const size_t size = outputs[i].data.size();
    // A string's length, of four bytes, makes room for its quotes.
    bytes += type == base::DataType::kBytes
                 ? 2 * size
                 : size / base::SizeOf(type) * MostCharacters(type);
  }
  return bytes;
}

absl::StatusOr<InferResponse> EncodeInferResponse(
    const infer::ModelInfo& model, absl::string_view id,
    const BinaryOutputs& binary, const std::vector<Tensor>& outputs,
    base::ByteBudget* budget) {
  const auto text = std::make_shared<ChargedText>(budget);
  const size_t expected = TextBytes(binary, outputs);
  if (!text->charge.Resize(expected)) return NoRoom(expected);
  std::string& json = text->json;
  json.reserve(expected);
  json = "{";
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
  if (!text->charge.Resize(json.size())) return NoRoom(json.size());
  InferResponse response;
  if (any_binary) response.json_size = json.size();
  response.body = absl::MakeCordFromExternal(json, [text] {});
  response.body.Append(std::move(tail));
  return response;
}

std::string EncodeServerMetadata(absl::string_view name,
                                 absl::string_view version) {
  std::string out = "{";
  AppendField("name", name, &out);
  out.push_back(',');
  AppendField("version", version, &out);
  out.append(
      ",\"extensions\":[\"binary_tensor_data\",\"lod\",\"model_"
      "configuration\",\"model_repository\",\"statistics\"]}");
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
