// The Open Inference Protocol's (v2) requests and replies as values, free of
// any transport: decode.h makes them of bytes, validate.h checks them against
// a model, encode.h makes bytes of them.
#ifndef CC_SERVER_PROTOCOL_H_
#define CC_SERVER_PROTOCOL_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cc/engine/tensor.h"

namespace server {

// Carries the length of the JSON part when binary tensors follow it.
inline constexpr absl::string_view kJsonLengthHeader =
    "Inference-Header-Content-Length";

// What a client may know of one version of a model.
struct ModelInfo {
  std::string name;
  std::string version;
  std::string platform;
  std::vector<engine::TensorSpec> inputs;
  std::vector<engine::TensorSpec> outputs;
};

struct RequestedOutput {
  std::string name;
  bool binary = false;  // raw bytes after the JSON instead of numbers in it
};

struct InferRequest {
  std::string id;  // echoed; empty: none
  std::vector<engine::Tensor> inputs;
  std::vector<RequestedOutput> outputs;  // empty: all of the model's
  bool binary_outputs = false;           // where `outputs` is empty
};

// The protocol's name of a type ("FP32"), and back.
absl::string_view DataTypeName(engine::DataType type);
std::optional<engine::DataType> ParseDataType(absl::string_view name);

// "[1,3,32,32]", for messages and JSON.
std::string ShapeText(const std::vector<int64_t>& shape);

}  // namespace server

#endif  // CC_SERVER_PROTOCOL_H_
