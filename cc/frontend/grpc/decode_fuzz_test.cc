// A message of the Open Inference Protocol, or what should be one.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/byte_budget.h"
#include "cc/base/data_type.h"
#include "cc/base/refusal_check.h"
#include "cc/frontend/grpc/decode.h"
#include "cc/frontend/grpc/encode.h"
#include "cc/frontend/grpc/triton.h"
#include "cc/frontend/http/block.h"
#include "cc/infer/fuzz_requests.h"
#include "cc/infer/validate.h"

namespace grpc {
namespace {

void CheckError(const absl::Status& status) {
  base::CheckRefusal(status, {absl::StatusCode::kInvalidArgument,
                              absl::StatusCode::kResourceExhausted,
                              absl::StatusCode::kUnimplemented});
}

absl::StatusOr<infer::Request> Decode(const absl::Cord& bytes,
                                      http::BlockPool* pool) {
  InferMessage message;
  absl::Status status = ParseInferMessage(bytes, &message);
  if (!status.ok()) return status;
  return DecodeInferRequest(infer::ModelOfEveryType(), message, pool);
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

void CheckInfer(absl::string_view text) {
  base::ByteBudget budget(1 << 20);
  {
    const auto pool = http::BlockPool::Make(&budget);
    const absl::Cord cord(text);
    const auto whole = Decode(cord, pool.get());
    const auto pieces = Decode(fuzz::CordOfPieces(text, 16), pool.get());
    if (!whole.ok()) {
      CheckError(whole.status());
      fuzz::Check(pieces.status() == whole.status(), "pieces change nothing",
                  absl::StrCat(pieces.status().ToString(), " but ",
                               whole.status().ToString()));
      return;
    }
    fuzz::Check(pieces.ok(), "pieces change nothing",
                pieces.status().ToString());
    infer::CheckSame(*whole, *pieces);
    // Raw tensors are parts of the message, others are paid for.
    size_t read = 0;
    for (const infer::Tensor& tensor : whole->inputs) {
      read += tensor.data.size();
    }
    fuzz::Check(read <= text.size() + budget.held(), "what is read is paid for",
                absl::StrCat(read));
    if (const absl::Status valid =
            infer::Validate(infer::ModelOf(whole->inputs), *whole);
        !valid.ok()) {
      CheckError(valid);
    }
    const auto again = Decode(absl::Cord(Write(*whole)), pool.get());
    fuzz::Check(again.ok(), "what is written can be read",
                again.status().ToString());
    infer::CheckSame(*again, *whole);
    EncodeInferResponse(infer::ModelOfEveryType(), whole->id, whole->inputs);
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
