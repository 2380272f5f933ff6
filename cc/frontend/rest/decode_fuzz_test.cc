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
#include "cc/base/refusal_check.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/decode.h"
#include "cc/frontend/rest/encode.h"
#include "cc/infer/fuzz_requests.h"
#include "cc/infer/validate.h"

namespace rest {
namespace {

// In one piece, with what simdjson reads beyond it, and not a byte more.
absl::Cord Padded(absl::string_view text) {
  constexpr size_t kSlack = 64;
  std::shared_ptr<char[]> bytes(new char[text.size() + kSlack]());
  std::memcpy(bytes.get(), text.data(), text.size());
  const absl::string_view view(bytes.get(), text.size());
  return absl::MakeCordFromExternal(view, [bytes = std::move(bytes)] {});
}

void CheckError(const absl::Status& status) {
  base::CheckRefusal(status, {absl::StatusCode::kInvalidArgument,
                              absl::StatusCode::kResourceExhausted});
}

void CheckSameCall(const infer::Request& a, const infer::Request& b) {
  fuzz::Check(a.priority == b.priority && a.timeout == b.timeout,
              "the same request");
  infer::CheckSame(a, b);
}

// Writes a valid request's inputs as an answer, and reads that as a request.
void CheckRoundTrip(const infer::Request& request, bool binary) {
  const BinaryOutputs form{binary,
                           std::vector<bool>(request.inputs.size(), binary)};
  const auto answer = EncodeInferResponse(infer::ModelOfEveryType(), request.id,
                                          form, request.inputs, nullptr);
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
      infer::ModelOfEveryType(),
      {false, absl::Cord(text),
       answer->json_size ? std::optional(*answer->json_size - 1)
                         : std::nullopt},
      nullptr);
  fuzz::Check(again.ok(), "what is written can be read",
              absl::StrCat(again.status().ToString(), " ", text));
  infer::Request plain;
  plain.id = request.id;
  plain.inputs = request.inputs;
  CheckSameCall(again->request, plain);
}

void CheckInfer(absl::string_view text, std::optional<size_t> json_size) {
  base::ByteBudget budget(1 << 20);
  {
    const auto whole = DecodeInferRequest(
        infer::ModelOfEveryType(), {true, Padded(text), json_size}, &budget);
    const size_t held = budget.held();
    const auto pieces = DecodeInferRequest(
        infer::ModelOfEveryType(), {false, fuzz::CordOfPieces(text), json_size},
        nullptr);
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
      CheckSameCall(whole->request, pieces->request);
      size_t read = 0;
      for (const infer::Tensor& tensor : whole->request.inputs) {
        read += tensor.data.size();
      }
      const size_t binary = json_size ? text.size() - *json_size : 0;
      fuzz::Check(held + binary >= read, "what is read is paid for",
                  absl::StrCat(held, " + ", binary, " for ", read));
      const absl::Status valid = infer::Validate(
          infer::ModelOf(whole->request.inputs), whole->request);
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
  for (const base::TensorSpec& spec : infer::ModelOfEveryType().inputs) {
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
