// The body of an inference request: JSON, or "SIZE\n", JSON of that size and
// binary tensors.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/byte_budget.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/decode.h"
#include "cc/frontend/rest/encode.h"
#include "cc/infer/validate.h"

namespace rest {
namespace {

using base::DataType;

// An input of every type, by its name in small letters; two with offsets.
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
    info->inputs.push_back({"nested", DataType::kFloat32, {-1, 1}, 2});
    info->outputs = info->inputs;
    info->max_batch_size = 64;
    return info;
  }();
  return *model;
}

// The same with these inputs alone, in their order.
infer::ModelInfo ModelOf(const std::vector<infer::Tensor>& tensors) {
  infer::ModelInfo model = Model();
  model.inputs.clear();
  for (const infer::Tensor& tensor : tensors) {
    model.inputs.push_back(*infer::Find(Model().inputs, tensor.name));
  }
  return model;
}

// In one piece, with what simdjson reads beyond it, and not a byte more.
absl::Cord Padded(absl::string_view text) {
  constexpr size_t kSlack = 64;
  std::shared_ptr<char[]> bytes(new char[text.size() + kSlack]());
  std::memcpy(bytes.get(), text.data(), text.size());
  const absl::string_view view(bytes.get(), text.size());
  return absl::MakeCordFromExternal(view, [bytes = std::move(bytes)] {});
}

absl::Cord InPieces(absl::string_view text) {
  absl::Cord cord;
  for (const absl::string_view piece : fuzz::Pieces(text, 0)) {
    auto copy = std::make_shared<std::string>(piece);
    const absl::string_view view = *copy;
    cord.Append(absl::MakeCordFromExternal(view, [copy = std::move(copy)] {}));
  }
  return cord;
}

void CheckError(const absl::Status& status) {
  fuzz::Check(
      absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status),
      "what is refused is the client's matter", status.ToString());
  fuzz::Check(base::IsUtf8(status.message()) && !status.message().empty(),
              "errors are text", status.message());
}

void CheckSame(const infer::Request& a, const infer::Request& b) {
  fuzz::Check(a.id == b.id && a.outputs == b.outputs &&
                  a.priority == b.priority && a.timeout == b.timeout &&
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

// Writes a valid request's inputs as an answer, and reads that as a request.
void CheckRoundTrip(const infer::Request& request, bool binary) {
  const BinaryOutputs form{binary,
                           std::vector<bool>(request.inputs.size(), binary)};
  const auto answer =
      EncodeInferResponse(Model(), request.id, form, request.inputs, nullptr);
  if (!answer.ok()) {  // NaN, infinities and bytes that are no text
    fuzz::Check(!binary && absl::IsFailedPrecondition(answer.status()),
                "every tensor can be written", answer.status().ToString());
    fuzz::Check(base::IsUtf8(answer.status().message()), "errors are text",
                answer.status().message());
    return;
  }
  std::string text(answer->body);
  const size_t json_size = answer->json_size.value_or(text.size());
  const size_t at = text.find("\"outputs\":[");
  fuzz::Check(at < json_size, "an answer has outputs", text);
  text.replace(at, 11, "\"inputs\":[");
  const auto again = DecodeInferRequest(
      Model(),
      {false, absl::Cord(text),
       answer->json_size ? std::optional(*answer->json_size - 1)
                         : std::nullopt},
      nullptr);
  fuzz::Check(again.ok(), "what is written can be read",
              absl::StrCat(again.status().ToString(), " ", text));
  infer::Request plain;
  plain.id = request.id;
  plain.inputs = request.inputs;
  CheckSame(again->request, plain);
}

void CheckInfer(absl::string_view text, std::optional<size_t> json_size) {
  base::ByteBudget budget(1 << 20);
  {
    const auto whole =
        DecodeInferRequest(Model(), {true, Padded(text), json_size}, &budget);
    const size_t held = budget.held();
    const auto pieces = DecodeInferRequest(
        Model(), {false, InPieces(text), json_size}, nullptr);
    if (!whole.ok()) {
      CheckError(whole.status());
      // Of several faults, simdjson looks for another first where "}" follows
      // the JSON, as binary data does in a body in one piece.
      fuzz::Check(json_size ? pieces.status().code() == whole.status().code()
                            : pieces.status() == whole.status(),
                  "pieces change nothing",
                  absl::StrCat(pieces.status().ToString(), " but ",
                               whole.status().ToString()));
    } else {
      fuzz::Check(pieces.ok(), "pieces change nothing",
                  pieces.status().ToString());
      CheckSame(whole->request, pieces->request);
      size_t read = 0;
      for (const infer::Tensor& tensor : whole->request.inputs) {
        read += tensor.data.size();
      }
      const size_t binary = json_size ? text.size() - *json_size : 0;
      fuzz::Check(held + binary >= read, "what is read is paid for",
                  absl::StrCat(held, " + ", binary, " for ", read));
      const absl::Status valid =
          infer::Validate(ModelOf(whole->request.inputs), whole->request);
      if (!valid.ok()) {
        CheckError(valid);
      } else {
        CheckRoundTrip(whole->request, true);
        CheckRoundTrip(whole->request, false);
      }
    }
  }
  fuzz::Check(budget.held() == 0, "all is given back",
              absl::StrCat(budget.held()));
}

void CheckRaw(absl::string_view text) {
  for (const base::TensorSpec& spec : Model().inputs) {
    infer::ModelInfo model;
    model.name = "raw";
    model.inputs = {spec};
    model.max_batch_size = 1 << 20;
    const auto request = DecodeRawRequest(model, absl::Cord(text));
    if (!request.ok()) {
      CheckError(request.status());
      continue;
    }
    const absl::Status valid = infer::Validate(model, request->request);
    if (!valid.ok()) CheckError(valid);
  }
}

}  // namespace
}  // namespace rest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::string_view text = fuzz::Text(data, size);
  rest::CheckRaw(text);
  const auto index = rest::DecodeIndexRequest(absl::Cord(text));
  if (!index.ok()) rest::CheckError(index.status());
  const size_t line = text.find('\n');
  size_t json_size = 0;
  if (line != text.npos && absl::SimpleAtoi(text.substr(0, line), &json_size)) {
    rest::CheckInfer(text.substr(line + 1), json_size);
  } else {
    rest::CheckInfer(text, std::nullopt);
  }
  return 0;
}
