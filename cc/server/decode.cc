#include "cc/server/decode.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/server/json.h"
#include "cc/server/tensor_json.h"

namespace server {
namespace {

using engine::DataType;
using engine::Tensor;

constexpr size_t kMaxRank = 16;
constexpr size_t kMaxTensors = 1024;

// Parameters that ask for what this server cannot do are refused: ignoring
// them would answer another question than the one asked.
bool IsRefusedParameter(absl::string_view key) {
  return key == "classification" || key.substr(0, 13) == "shared_memory";
}

struct TensorParameters {
  std::optional<uint64_t> binary_size;
  std::optional<bool> binary;
};

TensorParameters ReadTensorParameters(JsonReader* reader) {
  TensorParameters parameters;
  std::string key;
  reader->EnterObject();
  while (reader->NextKey(&key)) {
    if (key == "binary_data_size") {
      parameters.binary_size = reader->Integer<uint64_t>();
    } else if (key == "binary_data") {
      parameters.binary = reader->Bool();
    } else if (IsRefusedParameter(key)) {
      reader->Fail(absl::StrCat("parameter \"", key, "\" is not supported"));
    } else {
      reader->Skip();
    }
  }
  return parameters;
}

std::vector<int64_t> ReadShape(JsonReader* reader) {
  std::vector<int64_t> shape;
  reader->EnterArray();
  while (reader->NextElement()) {
    shape.push_back(reader->Integer<int64_t>());
    if (shape.size() > kMaxRank) {
      reader->Fail(
          absl::StrCat("a shape has at most ", kMaxRank, " dimensions here"));
    }
  }
  return shape;
}

// Reads one JSON text; `binary` is what follows it in the body.
class Decoder {
 public:
  Decoder(absl::string_view json, absl::string_view binary)
      : reader_(json), binary_(binary) {}

  absl::StatusOr<InferRequest> Decode() {
    bool has_inputs = false;
    std::string key;
    reader_.EnterObject();
    while (reader_.NextKey(&key)) {
      if (key == "id") {
        request_.id = reader_.String();
      } else if (key == "parameters") {
        ReadRequestParameters();
      } else if (key == "inputs" && !has_inputs) {
        has_inputs = true;
        reader_.EnterArray();
        while (reader_.NextElement()) ReadInput();
      } else if (key == "outputs" && request_.outputs.empty()) {
        reader_.EnterArray();
        while (reader_.NextElement()) ReadOutput();
      } else if (key == "inputs" || key == "outputs") {
        reader_.Fail(absl::StrCat("\"", key, "\" stands there twice"));
      } else {
        reader_.Skip();
      }
    }
    reader_.End();
    if (reader_.ok() && !has_inputs) reader_.Fail("\"inputs\" is missing");
    if (!reader_.ok()) return reader_.status();
    if (!binary_.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          binary_.size(), " bytes of binary data are left over: the sum of ",
          "\"binary_data_size\" is smaller than what follows the JSON"));
    }
    for (size_t i = 0; i < request_.outputs.size(); ++i) {
      request_.outputs[i].binary =
          output_binary_[i].value_or(request_.binary_outputs);
    }
    return std::move(request_);
  }

 private:
  void ReadRequestParameters() {
    std::string key;
    reader_.EnterObject();
    while (reader_.NextKey(&key)) {
      if (key == "binary_data_output") {
        request_.binary_outputs = reader_.Bool();
      } else {
        reader_.Skip();
      }
    }
  }

  void ReadOutput() {
    RequestedOutput output;
    std::optional<bool> binary;
    std::string key;
    reader_.EnterObject();
    while (reader_.NextKey(&key)) {
      if (key == "name") {
        output.name = reader_.String();
      } else if (key == "parameters") {
        binary = ReadTensorParameters(&reader_).binary;
      } else {
        reader_.Skip();
      }
    }
    if (output.name.empty()) reader_.Fail("an output lacks its \"name\"");
    if (request_.outputs.size() >= kMaxTensors) {
      reader_.Fail("too many outputs");
    }
    request_.outputs.push_back(std::move(output));
    output_binary_.push_back(binary);
  }

  void ReadInput() {
    Tensor tensor;
    std::optional<DataType> type;
    bool has_shape = false;
    std::optional<size_t> data_at;
    bool data_read = false;
    TensorParameters parameters;
    std::string key;
    reader_.EnterObject();
    while (reader_.NextKey(&key)) {
      if (key == "name") {
        tensor.name = reader_.String();
      } else if (key == "datatype") {
        type = ReadDataType();
      } else if (key == "shape") {
        tensor.shape = ReadShape(&reader_);
        has_shape = true;
      } else if (key == "parameters") {
        parameters = ReadTensorParameters(&reader_);
      } else if (key == "data" && !data_at.has_value()) {
        reader_.Peek();
        data_at = reader_.position();
        if (type.has_value() && has_shape) {
          tensor.dtype = *type;
          ReadTensorData(&reader_, &tensor);
          data_read = true;
        } else {
          reader_.Skip();  // and come back, once type and shape are known
        }
      } else if (key == "data") {
        reader_.Fail("\"data\" stands there twice");
      } else {
        reader_.Skip();
      }
    }
    if (!reader_.ok()) return Blame(tensor.name);
    const char* missing = tensor.name.empty() ? "name"
                          : !type.has_value() ? "datatype"
                          : !has_shape        ? "shape"
                                              : nullptr;
    if (missing != nullptr) {
      reader_.Fail(absl::StrCat("an input lacks its \"", missing, "\""));
      return Blame(tensor.name);
    }
    tensor.dtype = *type;
    if (data_at.has_value() == parameters.binary_size.has_value()) {
      reader_.Fail(data_at.has_value()
                       ? "has both \"data\" and \"binary_data_size\""
                       : "has neither \"data\" nor \"binary_data_size\"");
    } else if (parameters.binary_size.has_value()) {
      TakeBinary(*parameters.binary_size, &tensor);
    } else if (!data_read) {
      const size_t end = reader_.position();
      reader_.Seek(*data_at);
      ReadTensorData(&reader_, &tensor);
      if (reader_.ok()) reader_.Seek(end);
    }
    if (request_.inputs.size() >= kMaxTensors) reader_.Fail("too many inputs");
    if (!reader_.ok()) return Blame(tensor.name);
    request_.inputs.push_back(std::move(tensor));
  }

  std::optional<DataType> ReadDataType() {
    const std::string name = reader_.String();
    const auto type = ParseDataType(name);
    if (reader_.ok() && !type.has_value()) {
      reader_.Fail(
          absl::StrCat("datatype \"", name, "\" is not served; one of ",
                       "BOOL, UINT8, INT8, INT32, INT64, FP16, FP32, FP64 is"));
    }
    return type;
  }

  void TakeBinary(uint64_t size, Tensor* tensor) {
    const auto expected = TensorBytes(*tensor);
    if (!expected.ok()) return reader_.Fail(expected.status().message());
    if (size != *expected) {
      return reader_.Fail(absl::StrCat("\"binary_data_size\" is ", size,
                                       ", but shape ", ShapeText(tensor->shape),
                                       " of ", DataTypeName(tensor->dtype),
                                       " takes ", *expected, " bytes"));
    }
    if (size > binary_.size()) {
      return reader_.Fail(absl::StrCat("wants ", size,
                                       " bytes of binary data, but only ",
                                       binary_.size(), " follow the JSON"));
    }
    tensor->data.assign(binary_.data(), size);
    binary_.remove_prefix(size);
  }

  // Puts the input's name into the error.
  void Blame(const std::string& name) {
    if (!name.empty()) reader_.Prefix(absl::StrCat("input \"", name, "\": "));
  }

  JsonReader reader_;
  absl::string_view binary_;
  InferRequest request_;
  std::vector<std::optional<bool>> output_binary_;
};

}  // namespace

absl::StatusOr<InferRequest> DecodeInferRequest(
    absl::string_view body, std::optional<size_t> json_size) {
  const size_t size = json_size.value_or(body.size());
  if (size > body.size()) {
    return absl::InvalidArgumentError(absl::StrCat(kJsonLengthHeader, " is ",
                                                   size, ", but the body has ",
                                                   body.size(), " bytes"));
  }
  return Decoder(body.substr(0, size), body.substr(size)).Decode();
}

absl::StatusOr<InferRequest> DecodeRawRequest(const ModelInfo& model,
                                              absl::string_view body) {
  if (model.inputs.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a raw body needs a model with one input; ", model.name,
                     " has ", model.inputs.size()));
  }
  const engine::TensorSpec& spec = model.inputs.front();
  Tensor tensor{spec.name, spec.dtype, spec.shape, std::string(body)};
  int variable = 0;
  for (const int64_t dim : spec.shape) variable += dim < 0 ? 1 : 0;
  if (variable > 1 && tensor.shape.front() < 0) {
    tensor.shape.front() = 1;
    --variable;
  }
  size_t known = engine::SizeOf(spec.dtype);
  int64_t* unknown = nullptr;
  for (int64_t& dim : tensor.shape) {
    if (dim < 0) {
      unknown = &dim;
    } else {
      known *= static_cast<size_t>(dim);
    }
  }
  const bool divides = known > 0 && !body.empty() && body.size() % known == 0;
  if (variable > 1 || !divides ||
      (unknown == nullptr && body.size() != known)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a raw body of ", body.size(),
                     " bytes does not make up input \"", spec.name, "\" of ",
                     DataTypeName(spec.dtype), " ", ShapeText(spec.shape)));
  }
  if (unknown != nullptr) *unknown = static_cast<int64_t>(body.size() / known);
  InferRequest request;
  request.inputs.push_back(std::move(tensor));
  request.binary_outputs = true;
  return request;
}

}  // namespace server
