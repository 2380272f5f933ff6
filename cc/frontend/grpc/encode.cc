#include "cc/frontend/grpc/encode.h"

#include <utility>

#include "cc/base/text.h"
#include "cc/base/wire.h"

namespace grpc {
namespace {

// TensorMetadata, and the first fields of InferOutputTensor.
std::string TensorHead(absl::string_view name, base::DataType type,
                       const std::vector<int64_t>& shape) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, name);
  writer.Bytes(2, base::NameOf(type));
  writer.Packed(3, shape.data(), shape.size());
  return out;
}

std::string OutputTensor(const infer::Tensor& tensor) {
  std::string out = TensorHead(tensor.name, tensor.dtype, tensor.shape);
  if (tensor.lod.empty()) return out;
  std::string value;
  wire::Writer(&value).Bytes(3, base::LodText(tensor.lod));
  std::string entry;
  wire::Writer writer(&entry);
  writer.Bytes(1, "lod");
  writer.Message(2, value);
  wire::Writer(&out).Message(4, entry);
  return out;
}

// The first fields of a ModelInferResponse.
std::string InferHead(absl::string_view model, absl::string_view version,
                      absl::string_view id) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, model);
  writer.Bytes(2, version);
  writer.Bytes(3, id);
  return out;
}

}  // namespace

absl::Cord EncodeInferResponse(const infer::ModelInfo& model,
                               absl::string_view id,
                               const std::vector<infer::Tensor>& outputs) {
  std::string head = InferHead(model.name, model.version, id);
  for (const infer::Tensor& output : outputs) {
    wire::Writer(&head).Message(5, OutputTensor(output));
  }
  absl::Cord message;
  for (const infer::Tensor& output : outputs) {
    wire::Writer(&head).Head(6, output.data.size());
    message.Append(std::exchange(head, {}));
    message.Append(output.data);
  }
  if (!head.empty()) message.Append(std::move(head));
  return message;
}

absl::Cord EncodeStreamResponse(const absl::Cord& infer_response) {
  std::string head;
  wire::Writer(&head).Head(2, infer_response.size());
  absl::Cord message(std::move(head));
  message.Append(infer_response);
  return message;
}

absl::Cord EncodeStreamError(absl::string_view error, absl::string_view model,
                             absl::string_view version, absl::string_view id) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, error);
  // So that the client knows which of its requests it is.
  writer.Message(2, InferHead(model, version, id));
  return absl::Cord(std::move(out));
}

std::string EncodeFlag(bool value) {
  std::string out;
  wire::Writer(&out).Varint(1, value ? 1 : 0);
  return out;
}

std::string EncodeServerMetadata(absl::string_view name,
                                 absl::string_view version) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, name);
  writer.Bytes(2, version);
  for (const char* extension :
       {"lod", "model_configuration", "model_repository", "statistics"}) {
    writer.Message(3, extension);
  }
  return out;
}

std::string EncodeModelMetadata(const infer::ModelInfo& model,
                                const std::vector<std::string>& versions) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, model.name);
  for (const std::string& version : versions) writer.Message(2, version);
  writer.Bytes(3, model.platform);
  for (const base::TensorSpec& spec : model.inputs) {
    writer.Message(4, TensorHead(spec.name, spec.dtype, spec.shape));
  }
  for (const base::TensorSpec& spec : model.outputs) {
    writer.Message(5, TensorHead(spec.name, spec.dtype, spec.shape));
  }
  return out;
}

}  // namespace grpc
