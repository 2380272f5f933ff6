// A message of the Open Inference Protocol, or what should be one.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/byte_budget.h"
#include "cc/base/data_type.h"
#include "cc/base/text.h"
#include "cc/base/wire.h"
#include "cc/frontend/grpc/decode.h"
#include "cc/frontend/grpc/encode.h"
#include "cc/frontend/grpc/triton.h"
#include "cc/frontend/http/block.h"
#include "cc/infer/validate.h"

namespace grpc {
namespace {

using base::DataType;

// An input of every type, by its name; one with offsets.
const infer::ModelInfo& Model() {
  static const auto* const model = [] {
    auto* info = new infer::ModelInfo;
    info->name = "m";
    info->version = "1";
    for (const DataType type :
         {DataType::kBool, DataType::kUint8, DataType::kUint16,
          DataType::kUint32, DataType::kUint64, DataType::kInt8,
          DataType::kInt16, DataType::kInt32, DataType::kInt64,
          DataType::kFloat16, DataType::kFloat32, DataType::kFloat64,
          DataType::kBfloat16, DataType::kBytes}) {
      info->inputs.push_back({base::NameOf(type), type, {-1, 2}});
    }
    info->inputs.push_back({"words", DataType::kInt64, {-1, 1}, 1});
    info->outputs = info->inputs;
    info->max_batch_size = 64;
    return info;
  }();
  return *model;
}

absl::Cord InPieces(absl::string_view text) {
  absl::Cord cord;
  for (const absl::string_view piece : fuzz::Pieces(text, 0, 16)) {
    auto copy = std::make_shared<std::string>(piece);
    const absl::string_view view = *copy;
    cord.Append(absl::MakeCordFromExternal(view, [copy = std::move(copy)] {}));
  }
  return cord;
}

void CheckError(const absl::Status& status) {
  fuzz::Check(absl::IsInvalidArgument(status) ||
                  absl::IsResourceExhausted(status) ||
                  absl::IsUnimplemented(status),
              "what is refused is the client's matter", status.ToString());
  fuzz::Check(base::IsUtf8(status.message()) && !status.message().empty(),
              "errors are text", status.message());
}

absl::StatusOr<infer::Request> Decode(const absl::Cord& bytes,
                                      http::BlockPool* pool) {
  InferMessage message;
  absl::Status status = ParseInferMessage(bytes, &message);
  if (!status.ok()) return status;
  return DecodeInferRequest(Model(), message, pool);
}

// The request again, all its tensors raw.
std::string Write(const infer::Request& request) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(3, request.id);
  for (const infer::Tensor& tensor : request.inputs) {
    std::string input;
    wire::Writer fields(&input);
    fields.Bytes(1, tensor.name);
    fields.Bytes(2, base::NameOf(tensor.dtype));
    fields.Packed(3, tensor.shape.data(), tensor.shape.size());
    if (!tensor.lod.empty()) {
      std::string value, entry;
      wire::Writer(&value).Bytes(3, base::LodText(tensor.lod));
      wire::Writer(&entry).Bytes(1, "lod");
      wire::Writer(&entry).Message(2, value);
      fields.Message(4, entry);
    }
    writer.Message(5, input);
  }
  for (const std::string& name : request.outputs) {
    std::string output;
    wire::Writer(&output).Bytes(1, name);
    writer.Message(6, output);
  }
  for (const infer::Tensor& tensor : request.inputs) {
    writer.Message(7, std::string(tensor.data));
  }
  return out;
}

void CheckSame(const infer::Request& a, const infer::Request& b) {
  fuzz::Check(a.id == b.id && a.outputs == b.outputs &&
                  a.inputs.size() == b.inputs.size(),
              "the same request");
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    const infer::Tensor& x = a.inputs[i];
    const infer::Tensor& y = b.inputs[i];
    fuzz::Check(x.name == y.name && x.dtype == y.dtype && x.shape == y.shape &&
                    x.lod == y.lod && x.data == y.data,
                "the same tensor", x.name);
  }
}

void CheckInfer(absl::string_view text) {
  base::ByteBudget budget(1 << 20);
  {
    const auto pool = http::BlockPool::Make(&budget);
    const absl::Cord cord(text);
    const auto whole = Decode(cord, pool.get());
    const auto pieces = Decode(InPieces(text), pool.get());
    if (!whole.ok()) {
      CheckError(whole.status());
      fuzz::Check(pieces.status() == whole.status(), "pieces change nothing",
                  absl::StrCat(pieces.status().ToString(), " but ",
                               whole.status().ToString()));
      return;
    }
    fuzz::Check(pieces.ok(), "pieces change nothing",
                pieces.status().ToString());
    CheckSame(*whole, *pieces);
    // Raw tensors are parts of the message, others are paid for.
    size_t read = 0;
    for (const infer::Tensor& tensor : whole->inputs) {
      read += tensor.data.size();
    }
    fuzz::Check(read <= text.size() + budget.held(), "what is read is paid for",
                absl::StrCat(read));
    infer::ModelInfo model = Model();
    model.inputs.clear();
    for (const infer::Tensor& tensor : whole->inputs) {
      model.inputs.push_back(*infer::Find(Model().inputs, tensor.name));
    }
    if (const absl::Status valid = infer::Validate(model, *whole);
        !valid.ok()) {
      CheckError(valid);
    }
    const auto again = Decode(absl::Cord(Write(*whole)), pool.get());
    fuzz::Check(again.ok(), "what is written can be read",
                again.status().ToString());
    CheckSame(*again, *whole);
    EncodeInferResponse(Model(), whole->id, whole->inputs);
  }
  fuzz::Check(budget.held() == 0, "all is given back",
              absl::StrCat(budget.held()));
}

}  // namespace
}  // namespace grpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text = fuzz::Text(data, size);
  grpc::CheckInfer(text);
  const absl::Cord cord(text);
  if (const auto index = grpc::DecodeIndexRequest(cord); !index.ok()) {
    grpc::CheckError(index.status());
  }
  if (const auto name = grpc::DecodeControlRequest(cord); !name.ok()) {
    grpc::CheckError(name.status());
  }
  return 0;
}
