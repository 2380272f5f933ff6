#include "cc/server/decode.h"

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/server/tensor_json.h"

namespace server {
namespace {

namespace dom = simdjson::dom;
using engine::Tensor;

constexpr size_t kMaxRank = 16;
constexpr size_t kMaxTensors = 1024;
// Larger JSON than this gets a parser of its own, so that the memory of one
// large request is not held for good.
constexpr size_t kKeptParserBytes = 1 << 20;

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

// Puts `where` in front of an error.
absl::Status At(absl::string_view where, const absl::Status& status) {
  return status.ok() ? status
                     : absl::Status(status.code(),
                                    absl::StrCat(where, status.message()));
}

// The fields of an object that have one of the names; others are passed over.
// A name that stands twice is an error: programs differ in which one counts.
template <size_t N>
class Fields {
 public:
  explicit Fields(const std::array<absl::string_view, N>& names)
      : names_(names) {}

  // `what` the element is, for the error.
  absl::Status Read(dom::element element, absl::string_view what) {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) {
      return Invalid(absl::StrCat(what, " must be a JSON object"));
    }
    for (const dom::key_value_pair field : object) {
      const absl::string_view key(field.key.data(), field.key.size());
      for (size_t i = 0; i < N; ++i) {
        if (names_[i] != key) continue;
        if (values_[i].has_value()) {
          return Invalid(absl::StrCat("\"", key, "\" stands there twice"));
        }
        values_[i] = field.value;
      }
    }
    return absl::OkStatus();
  }

  bool Has(size_t i) const { return values_[i].has_value(); }
  dom::element operator[](size_t i) const { return *values_[i]; }

  // Sets what the field holds, if it is there.
  template <typename T>
  absl::Status Get(size_t i, T* value, absl::string_view kind) const {
    if (Has(i) && values_[i]->get(*value) != simdjson::SUCCESS) {
      return Invalid(absl::StrCat("\"", names_[i], "\" is no ", kind));
    }
    return absl::OkStatus();
  }
  absl::Status Get(size_t i, std::string* value) const {
    std::string_view text;
    absl::Status status = Get(i, &text, "string");
    if (status.ok()) value->assign(text);
    return status;
  }
  template <typename T>
  absl::Status Get(size_t i, std::optional<T>* value,
                   absl::string_view kind) const {
    T got{};
    absl::Status status = Get(i, &got, kind);
    if (status.ok() && Has(i)) *value = got;
    return status;
  }

 private:
  const std::array<absl::string_view, N> names_;
  std::array<std::optional<dom::element>, N> values_;
};

struct TensorParameters {
  std::optional<uint64_t> binary_size;
  std::optional<bool> binary;
  std::optional<engine::Lod> lod;
};

absl::Status ReadLevel(dom::element element, std::vector<int64_t>* level) {
  dom::array offsets;
  if (element.get(offsets) != simdjson::SUCCESS) {
    return Invalid("\"lod\" mixes offsets and lists of offsets");
  }
  for (const dom::element offset : offsets) {
    int64_t value = 0;
    if (offset.get(value) != simdjson::SUCCESS) {
      return Invalid("\"lod\" holds something that is no integer");
    }
    level->push_back(value);
  }
  return absl::OkStatus();
}

// One level is a list of offsets, more are a list of such lists.
absl::Status ReadLod(dom::element element, engine::Lod* lod) {
  dom::array levels;
  if (element.get(levels) != simdjson::SUCCESS) {
    return Invalid("\"lod\" is no array");
  }
  if (levels.size() == 0 || !levels.at(0).is_array()) {
    return ReadLevel(element, &lod->emplace_back());
  }
  for (const dom::element level : levels) {
    if (lod->size() >= kMaxRank) {
      return Invalid(
          absl::StrCat("\"lod\" has more than ", kMaxRank, " levels"));
    }
    if (auto status = ReadLevel(level, &lod->emplace_back()); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// Reads the parameters of an input or output. Those that ask for what this
// server cannot do are refused: ignoring them would answer another question.
absl::Status ReadParameters(dom::element element, TensorParameters* result) {
  enum { kBinarySize, kBinary, kLod, kFirstRefused };
  constexpr std::array<absl::string_view, 7> kNames = {
      "binary_data_size",       "binary_data",          "lod",
      "classification",         "shared_memory_region", "shared_memory_offset",
      "shared_memory_byte_size"};
  Fields fields(kNames);
  if (auto status = fields.Read(element, "\"parameters\""); !status.ok()) {
    return status;
  }
  for (size_t i = kFirstRefused; i < kNames.size(); ++i) {
    if (fields.Has(i)) {
      return Invalid(
          absl::StrCat("parameter \"", kNames[i], "\" is not supported"));
    }
  }
  absl::Status status =
      fields.Get(kBinarySize, &result->binary_size, "number of bytes");
  status.Update(fields.Get(kBinary, &result->binary, "boolean"));
  if (status.ok() && fields.Has(kLod)) {
    status = ReadLod(fields[kLod], &result->lod.emplace());
  }
  return status;
}

absl::Status ReadShape(dom::element element, std::vector<int64_t>* shape) {
  dom::array dims;
  if (element.get(dims) != simdjson::SUCCESS) {
    return Invalid("\"shape\" is no array");
  }
  for (const dom::element dim : dims) {
    int64_t value = 0;
    if (dim.get(value) != simdjson::SUCCESS) {
      return Invalid("\"shape\" holds something that is no integer");
    }
    shape->push_back(value);
    if (shape->size() > kMaxRank) {
      return Invalid(
          absl::StrCat("\"shape\" has more than ", kMaxRank, " dimensions"));
    }
  }
  return absl::OkStatus();
}

// Moves the tensor's data from the front of `binary` into it.
absl::Status TakeBinary(uint64_t size, absl::string_view* binary,
                        Tensor* tensor) {
  const auto expected = TensorBytes(*tensor);
  if (!expected.ok()) return expected.status();
  if (size != *expected) {
    return Invalid(absl::StrCat("\"binary_data_size\" is ", size,
                                ", but shape ", ShapeText(tensor->shape),
                                " of ", DataTypeName(tensor->dtype), " takes ",
                                *expected, " bytes"));
  }
  if (size > binary->size()) {
    return Invalid(absl::StrCat("wants ", size, " bytes of binary data, but ",
                                "only ", binary->size(), " follow the JSON"));
  }
  tensor->data.assign(binary->data(), size);
  binary->remove_prefix(size);
  return absl::OkStatus();
}

absl::Status ReadInput(dom::element element, absl::string_view* binary,
                       Tensor* tensor) {
  enum { kName, kDataType, kShape, kParameters, kData };
  constexpr std::array<absl::string_view, 5> kNames = {
      "name", "datatype", "shape", "parameters", "data"};
  Fields fields(kNames);
  if (auto status = fields.Read(element, "it"); !status.ok()) return status;
  if (auto status = fields.Get(kName, &tensor->name); !status.ok()) {
    return status;
  }
  for (const size_t i : {kName, kDataType, kShape}) {
    if (!fields.Has(i)) {
      return Invalid(absl::StrCat("\"", kNames[i], "\" is missing"));
    }
  }
  std::string type_name;
  if (auto status = fields.Get(kDataType, &type_name); !status.ok()) {
    return status;
  }
  const auto type = ParseDataType(type_name);
  if (!type.has_value()) {
    return Invalid(absl::StrCat("datatype \"", type_name,
                                "\" is not served; BOOL, UINT8, INT8, INT32, ",
                                "INT64, FP16, FP32 and FP64 are"));
  }
  tensor->dtype = *type;
  if (auto status = ReadShape(fields[kShape], &tensor->shape); !status.ok()) {
    return status;
  }
  TensorParameters parameters;
  if (fields.Has(kParameters)) {
    if (auto status = ReadParameters(fields[kParameters], &parameters);
        !status.ok()) {
      return status;
    }
  }
  if (parameters.lod) tensor->lod = *std::move(parameters.lod);
  if (fields.Has(kData) == parameters.binary_size.has_value()) {
    return Invalid(fields.Has(kData)
                       ? "has both \"data\" and \"binary_data_size\""
                       : "has neither \"data\" nor \"binary_data_size\"");
  }
  return fields.Has(kData)
             ? ReadTensorData(fields[kData], tensor)
             : TakeBinary(*parameters.binary_size, binary, tensor);
}

absl::Status ReadOutput(dom::element element, bool binary_by_default,
                        RequestedOutput* output) {
  enum { kName, kParameters };
  Fields fields(std::array<absl::string_view, 2>{"name", "parameters"});
  if (auto status = fields.Read(element, "it"); !status.ok()) return status;
  if (!fields.Has(kName)) return Invalid("\"name\" is missing");
  TensorParameters parameters;
  if (fields.Has(kParameters)) {
    if (auto status = ReadParameters(fields[kParameters], &parameters);
        !status.ok()) {
      return status;
    }
  }
  if (parameters.lod) return Invalid("\"lod\" belongs to inputs");
  output->binary = parameters.binary.value_or(binary_by_default);
  return fields.Get(kName, &output->name);
}

absl::Status ReadRequest(dom::element element, absl::string_view binary,
                         InferRequest* request) {
  enum { kId, kParameters, kInputs, kOutputs };
  Fields fields(std::array<absl::string_view, 4>{"id", "parameters", "inputs",
                                                 "outputs"});
  if (auto status = fields.Read(element, "the request body"); !status.ok()) {
    return status;
  }
  if (auto status = fields.Get(kId, &request->id); !status.ok()) return status;
  if (fields.Has(kParameters)) {
    Fields parameters(std::array<absl::string_view, 1>{"binary_data_output"});
    absl::Status status = parameters.Read(fields[kParameters], "it");
    status.Update(parameters.Get(0, &request->binary_outputs, "boolean"));
    if (!status.ok()) return At("\"parameters\": ", status);
  }
  if (!fields.Has(kInputs)) return Invalid("\"inputs\" is missing");
  dom::array inputs, outputs;
  absl::Status status = fields.Get(kInputs, &inputs, "array");
  status.Update(fields.Get(kOutputs, &outputs, "array"));
  if (!status.ok()) return status;
  for (const dom::element element : inputs) {
    if (request->inputs.size() >= kMaxTensors)
      return Invalid("too many inputs");
    Tensor& tensor = request->inputs.emplace_back();
    status = ReadInput(element, &binary, &tensor);
    if (!status.ok()) {
      return At(tensor.name.empty()
                    ? absl::StrCat("input ", request->inputs.size() - 1, ": ")
                    : absl::StrCat("input \"", tensor.name, "\": "),
                status);
    }
  }
  if (!binary.empty()) {
    return Invalid(absl::StrCat(
        binary.size(), " bytes of binary data are left over: the sum of ",
        "\"binary_data_size\" is smaller than what follows the JSON"));
  }
  if (!fields.Has(kOutputs)) return absl::OkStatus();
  for (const dom::element element : outputs) {
    if (request->outputs.size() >= kMaxTensors) {
      return Invalid("too many outputs");
    }
    RequestedOutput& output = request->outputs.emplace_back();
    status = ReadOutput(element, request->binary_outputs, &output);
    if (!status.ok()) {
      return At(absl::StrCat("output ", request->outputs.size() - 1, ": "),
                status);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<InferRequest> Decode(dom::parser* parser, absl::string_view json,
                                    absl::string_view binary) {
  dom::element root;
  const simdjson::error_code error =
      parser->parse(json.data(), json.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return Invalid(absl::StrCat("the JSON is malformed: ",
                                simdjson::error_message(error)));
  }
  InferRequest request;
  if (auto status = ReadRequest(root, binary, &request); !status.ok()) {
    return status;
  }
  return request;
}

}  // namespace

absl::StatusOr<InferRequest> DecodeInferRequest(
    absl::string_view body, std::optional<size_t> json_size) {
  const size_t size = json_size.value_or(body.size());
  if (size > body.size()) {
    return Invalid(absl::StrCat(kJsonLengthHeader, " is ", size,
                                ", but the body has ", body.size(), " bytes"));
  }
  const absl::string_view json = body.substr(0, size);
  const absl::string_view binary = body.substr(size);
  if (json.size() > kKeptParserBytes) {
    dom::parser parser;
    return Decode(&parser, json, binary);
  }
  static thread_local dom::parser parser;
  return Decode(&parser, json, binary);
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
  if (const auto bytes = TensorBytes(tensor); !bytes.ok()) {
    return bytes.status();
  }
  if (spec.lod_level > 0) {  // one sequence, on every level
    tensor.lod.assign(static_cast<size_t>(spec.lod_level), {0, 1});
    tensor.lod.back().back() = tensor.shape.front();
  }
  InferRequest request;
  request.inputs.push_back(std::move(tensor));
  request.binary_outputs = true;
  return request;
}

}  // namespace server
