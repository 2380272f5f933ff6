// The body of an inference request -> infer::Request. Name, type and shape of
// each input are held against the model before its data is read, so that a
// wrong request costs little; the values of a whole request are checked by the
// core.
#ifndef CC_FRONTEND_REST_DECODE_H_
#define CC_FRONTEND_REST_DECODE_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/byte_budget.h"
#include "cc/infer/call.h"
#include "cc/infer/servable.h"

namespace rest {

// Carries the length of the JSON part when binary tensors follow it.
inline constexpr absl::string_view kJsonLengthHeader =
    "Inference-Header-Content-Length";

// What reading takes for each byte of JSON, besides what becomes of it:
// simdjson has four bytes of indexes and 5/3 for strings, twice, as data that
// comes before its shape is read by a second parser.
inline constexpr size_t kParserBytesPerByte = 12;

// Which outputs go as raw bytes after the JSON, instead of numbers in it.
struct BinaryOutputs {
  bool all = false;        // where the request names no outputs
  std::vector<bool> each;  // in the order of request.outputs
};

struct InferRequest {
  infer::Request request;
  BinaryOutputs binary;
};

struct Body {
  // At least 64 bytes after the end of each chunk are readable: simdjson reads
  // beyond the end of its text.
  bool padded = false;
  absl::Cord bytes;
  // The value of kJsonLengthHeader; absent: the whole body is JSON.
  std::optional<size_t> json_size;
};

// Binary tensors are parts of the body, not copies. Those that come as numbers
// take of `budget` (nullptr: none), which outlives them. Errors are
// INVALID_ARGUMENT, but for RESOURCE_EXHAUSTED where the budget is used up.
// Thread-safe.
absl::StatusOr<InferRequest> DecodeInferRequest(const infer::ModelInfo& model,
                                                const Body& body,
                                                base::ByteBudget* budget);

// Header value 0: the body is the raw data of the model's only input, and the
// outputs go back as binary. A variable dimension follows from the size; with
// several variable dimensions the first one is taken as a batch of one. Of
// BYTES it is one element, without its length.
absl::StatusOr<InferRequest> DecodeRawRequest(const infer::ModelInfo& model,
                                              const absl::Cord& body);

// Whether the body of a request for the index, which may be empty, asks for
// models that are ready only.
absl::StatusOr<bool> DecodeIndexRequest(const absl::Cord& body);

}  // namespace rest

#endif  // CC_FRONTEND_REST_DECODE_H_
