#include "cc/frontend/rest/decode.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/json_reader.h"
#include "cc/frontend/rest/tensor_json.h"
#include "cc/infer/validate.h"

namespace rest {
namespace {

using base::DataType;
using base::Quote;
using base::ShapeText;
using infer::Tensor;

constexpr size_t kMaxTensors = 1024;
constexpr size_t kMaxLodLevels = 16;
// Larger JSON than this gets a parser of its own, so that the memory of one
// large request is not held for good.
constexpr size_t kKeptParserBytes = 1 << 20;
// Longer timeouts are as good as none, and their sum with a time overflows.
constexpr uint64_t kMaxTimeoutUs = uint64_t{365} * 24 * 3600 * 1'000'000;

// JSON as simdjson wants it: in one piece, with room behind it.
class JsonText {
 public:
  JsonText(const absl::Cord& body, size_t size, bool padded) : size_(size) {
    const absl::string_view first =
        size > 0 ? *body.chunk_begin() : absl::string_view();
    if (padded && first.size() >= size) {
      data_ = first.data();
      return;
    }
    copy_.reset(new char[size + simdjson::SIMDJSON_PADDING]());
    char* to = copy_.get();
    const absl::Cord part = body.Subcord(0, size);
    for (const absl::string_view chunk : part.Chunks()) {
      to = std::copy(chunk.begin(), chunk.end(), to);
    }
    data_ = copy_.get();
  }

  simdjson::padded_string_view view() const {
    return simdjson::padded_string_view(data_, size_,
                                        size_ + simdjson::SIMDJSON_PADDING);
  }

 private:
  const size_t size_;
  const char* data_ = nullptr;
  std::unique_ptr<char[]> copy_;
};

absl::Status CheckEnd(json::document* document) {
  return document->current_location().error() == simdjson::OUT_OF_BOUNDS
             ? absl::OkStatus()
             : Malformed(simdjson::TRAILING_CONTENT);
}

// simdjson 3.0.1 does not look whether it was given its buffer for strings, and
// writes to where there is none. So as much is asked for first: what is given
// back at once is what the allocator gives next.
bool HasRoomToParse(const json::parser& parser, size_t size) {
  if (parser.capacity() >= size) return true;
  const size_t bytes = 5 * size / 3 + 2 * simdjson::SIMDJSON_PADDING;
  // Volatile, so that the compiler does not find that nobody needs it.
  char* volatile room = new (std::nothrow) char[bytes];
  const bool has_room = room != nullptr;
  delete[] room;
  return has_room;
}

simdjson::error_code Iterate(json::parser* parser,
                             simdjson::padded_string_view text,
                             json::document* document) {
  if (!HasRoomToParse(*parser, text.size())) return simdjson::MEMALLOC;
  const auto error = parser->iterate(text).get(*document);
  // It may have some of its buffers, and think that it has all.
  if (error == simdjson::MEMALLOC) *parser = json::parser();
  return error;
}

// Calls f with the root of the text, an object.
template <typename F>
absl::Status Parse(json::parser* parser, simdjson::padded_string_view text,
                   F f) {
  json::document document;
  if (const auto error = Iterate(parser, text, &document)) {
    return Malformed(error);
  }
  json::object root;
  if (const auto error = document.get_object().get(root)) {
    return error == simdjson::INCORRECT_TYPE
               ? Invalid("the request body must be a JSON object")
               : Malformed(error);
  }
  if (absl::Status status = f(root); !status.ok()) return status;
  return CheckEnd(&document);
}

template <typename F>
absl::Status Parse(simdjson::padded_string_view text, F f) {
  if (text.size() > kKeptParserBytes) {
    json::parser parser;
    return Parse(&parser, text, f);
  }
  static thread_local json::parser parser;
  return Parse(&parser, text, f);
}

absl::Status ReadInteger(json::value value, absl::string_view name,
                         int64_t* result) {
  return value.get(*result) == simdjson::SUCCESS
             ? absl::OkStatus()
             : Invalid(absl::StrCat("\"", name,
                                    "\" holds something that is no integer"));
}

// One level is a list of offsets, more are a list of such lists.
absl::Status ReadLod(json::value value, base::Lod* lod) {
  std::optional<bool> nested;
  absl::Status status = ReadElements(value, "lod", [&](json::value element) {
    json::json_type type{};
    if (const auto error = element.type().get(type)) return Malformed(error);
    const bool array = type == json::json_type::array;
    if (!nested) nested = array;
    if (array && !*nested) {
      return Invalid("\"lod\" holds something that is no integer");
    }
    if (!array && *nested) {
      return Invalid("\"lod\" mixes offsets and lists of offsets");
    }
    if (!array) {
      if (lod->empty()) lod->emplace_back();
      return ReadInteger(element, "lod", &lod->back().emplace_back());
    }
    if (lod->size() >= kMaxLodLevels) {
      return Invalid(
          absl::StrCat("\"lod\" has more than ", kMaxLodLevels, " levels"));
    }
    std::vector<int64_t>& level = lod->emplace_back();
    return ReadElements(element, "lod", [&](json::value offset) {
      return ReadInteger(offset, "lod", &level.emplace_back());
    });
  });
  if (status.ok() && !nested) lod->emplace_back();
  return status;
}

absl::Status ReadShape(json::value value, std::vector<int64_t>* shape) {
  return ReadElements(value, "shape", [&](json::value dim) {
    if (shape->size() >= infer::kMaxRank) {
      return Invalid(absl::StrCat("\"shape\" has more than ", infer::kMaxRank,
                                  " dimensions"));
    }
    return ReadInteger(dim, "shape", &shape->emplace_back());
  });
}

struct TensorParameters {
  std::optional<uint64_t> binary_size;
  std::optional<bool> binary;
  std::optional<base::Lod> lod;
};

// Reads the parameters of an input or output. Those that ask for what this
// server cannot do are refused: ignoring them would answer another question.
absl::Status ReadParameters(json::value value, TensorParameters* result) {
  enum { kBinarySize, kBinary, kLod };
  static constexpr std::array<absl::string_view, 7> kNames = {
      "binary_data_size",       "binary_data",          "lod",
      "classification",         "shared_memory_region", "shared_memory_offset",
      "shared_memory_byte_size"};
  return ReadFields(
      value, "\"parameters\"", kNames, [&](size_t i, json::value field) {
        switch (i) {
          case kBinarySize:
            return Get(field, kNames[i], "number of bytes",
                       &result->binary_size.emplace());
          case kBinary:
            return Get(field, kNames[i], "boolean", &result->binary.emplace());
          case kLod:
            return ReadLod(field, &result->lod.emplace());
          default:
            return Invalid(
                absl::StrCat("parameter \"", kNames[i], "\" is not supported"));
        }
      });
}

// Reads an input, field by field as they come.
class InputReader {
 public:
  // `text_bytes`: of the JSON. `inputs`: all, this one the last.
  InputReader(const infer::ModelInfo& model, const std::vector<Tensor>& inputs,
              const absl::Cord& binary, size_t text_bytes,
              base::ByteBudget* budget)
      : model_(model),
        inputs_(inputs),
        binary_(binary),
        text_bytes_(text_bytes),
        budget_(budget) {}

  // `binary_at` is where the input's part of the binary data begins, and then
  // where it has ended.
  absl::Status Read(json::value value, size_t* binary_at, Tensor* tensor);

 private:
  enum Field { kName, kDataType, kShape, kParameters, kData };
  static constexpr std::array<absl::string_view, 5> kNames = {
      "name", "datatype", "shape", "parameters", "data"};

  absl::Status ReadField(size_t i, json::value value, Tensor* tensor);
  absl::Status ReadDataType(json::value value, Tensor* tensor);
  absl::Status ReadData(json::value value, Tensor* tensor);
  absl::Status ReadLateData(Tensor* tensor);
  absl::Status CheckHead(const Tensor& tensor) const;
  absl::Status TakeBinary(size_t* at, Tensor* tensor) const;

  bool Has(Field field) const { return (seen_ & (1u << field)) != 0; }
  bool HasHead() const { return Has(kName) && Has(kDataType) && Has(kShape); }

  const infer::ModelInfo& model_;
  const std::vector<Tensor>& inputs_;
  const absl::Cord& binary_;
  const size_t text_bytes_;
  base::ByteBudget* const budget_;
  uint32_t seen_ = 0;
  TensorParameters parameters_;
  // Data that came before what it is said to be. It lies in the text.
  std::optional<std::string_view> late_data_;
};

absl::Status InputReader::Read(json::value value, size_t* binary_at,
                               Tensor* tensor) {
  absl::Status status = ReadFields(
      value, "it", kNames,
      [&](size_t i, json::value field) { return ReadField(i, field, tensor); });
  if (!status.ok()) return status;
  for (const Field field : {kName, kDataType, kShape}) {
    if (!Has(field)) {
      return Invalid(absl::StrCat("\"", kNames[field], "\" is missing"));
    }
  }
  if (parameters_.lod) tensor->lod = *std::move(parameters_.lod);
  if (Has(kData) == parameters_.binary_size.has_value()) {
    return Invalid(Has(kData)
                       ? "has both \"data\" and \"binary_data_size\""
                       : "has neither \"data\" nor \"binary_data_size\"");
  }
  if (late_data_) return ReadLateData(tensor);
  return Has(kData) ? absl::OkStatus() : TakeBinary(binary_at, tensor);
}

absl::Status InputReader::ReadField(size_t i, json::value value,
                                    Tensor* tensor) {
  seen_ |= 1u << i;
  switch (i) {
    case kName:
      return GetString(value, "name", &tensor->name);
    case kDataType:
      return ReadDataType(value, tensor);
    case kShape:
      return ReadShape(value, &tensor->shape);
    case kParameters:
      return ReadParameters(value, &parameters_);
    default:
      return ReadData(value, tensor);
  }
}

absl::Status InputReader::ReadDataType(json::value value, Tensor* tensor) {
  std::string_view name;
  if (absl::Status status = Get(value, "datatype", "string", &name);
      !status.ok()) {
    return status;
  }
  const auto type = base::DataTypeOf({name.data(), name.size()});
  if (!type) {
    return Invalid(absl::StrCat(
        "datatype ", Quote({name.data(), name.size()}),
        " is unknown; the protocol has BOOL, UINT8 to UINT64, INT8 to INT64, "
        "FP16, FP32, FP64, BF16 and BYTES"));
  }
  tensor->dtype = *type;
  return absl::OkStatus();
}

// What the model takes is known before the data is looked at.
absl::Status InputReader::CheckHead(const Tensor& tensor) const {
  const auto spec = infer::FindInput(model_, tensor.name);
  if (!spec.ok()) return spec.status();
  for (const Tensor& other : inputs_) {
    if (&other != &tensor && other.name == tensor.name) {
      return Invalid("it is given twice");
    }
  }
  return infer::CheckType(model_, **spec, tensor.dtype, tensor.shape);
}

absl::Status InputReader::ReadData(json::value value, Tensor* tensor) {
  json::array array;
  if (value.get(array) != simdjson::SUCCESS) {
    return Invalid("\"data\": is no array");
  }
  if (!HasHead()) {
    std::string_view text;
    if (const auto error = array.raw_json().get(text)) return Malformed(error);
    late_data_ = text;
    return absl::OkStatus();
  }
  if (absl::Status status = CheckHead(*tensor); !status.ok()) return status;
  return ReadTensorData(array, text_bytes_, budget_, tensor);
}

absl::Status InputReader::ReadLateData(Tensor* tensor) {
  if (absl::Status status = CheckHead(*tensor); !status.ok()) return status;
  json::parser parser;
  json::document document;
  const simdjson::padded_string_view text(
      *late_data_, late_data_->size() + simdjson::SIMDJSON_PADDING);
  if (const auto error = Iterate(&parser, text, &document)) {
    return Malformed(error);
  }
  json::array array;
  if (const auto error = document.get_array().get(array)) {
    return Malformed(error);
  }
  if (absl::Status status =
          ReadTensorData(array, late_data_->size(), budget_, tensor);
      !status.ok()) {
    return status;
  }
  return CheckEnd(&document);
}

absl::Status InputReader::TakeBinary(size_t* at, Tensor* tensor) const {
  if (absl::Status status = CheckHead(*tensor); !status.ok()) return status;
  const auto elements = infer::CountElements(tensor->shape);
  if (!elements.ok()) return elements.status();
  const uint64_t size = *parameters_.binary_size;
  const uint64_t expected = *elements * base::SizeOf(tensor->dtype);
  if (size != expected && tensor->dtype != DataType::kBytes) {
    return Invalid(absl::StrCat("\"binary_data_size\" is ", size,
                                ", but shape ", ShapeText(tensor->shape),
                                " of ", base::NameOf(tensor->dtype), " takes ",
                                expected, " bytes"));
  }
  const size_t left = binary_.size() - *at;
  if (size > left) {
    return Invalid(absl::StrCat("wants ", size, " bytes of binary data, but ",
                                "only ", left, " follow the JSON"));
  }
  tensor->data = binary_.Subcord(*at, size);
  *at += size;
  return absl::OkStatus();
}

// Reads the whole request, field by field as they come.
class RequestReader {
 public:
  RequestReader(const infer::ModelInfo& model, const absl::Cord& binary,
                size_t text_bytes, base::ByteBudget* budget,
                InferRequest* result)
      : model_(model),
        binary_(binary),
        text_bytes_(text_bytes),
        budget_(budget),
        result_(*result) {}

  absl::Status Read(json::object root);

 private:
  absl::Status ReadInputs(json::value value);
  absl::Status ReadOutputs(json::value value);
  absl::Status ReadOutput(json::value value);
  absl::Status ReadRequestParameters(json::value value);

  const infer::ModelInfo& model_;
  const absl::Cord& binary_;
  const size_t text_bytes_;
  base::ByteBudget* const budget_;
  InferRequest& result_;
  size_t binary_at_ = 0;
  // Of each output that is named; the rest follow binary_data_output.
  std::vector<std::optional<bool>> binary_outputs_;
};

absl::Status RequestReader::Read(json::object root) {
  enum { kId, kParameters, kInputs, kOutputs };
  static constexpr std::array<absl::string_view, 4> kNames = {
      "id", "parameters", "inputs", "outputs"};
  bool has_inputs = false;
  absl::Status status =
      ReadFields(root, kNames, [&](size_t i, json::value value) {
        switch (i) {
          case kId:
            return GetString(value, "id", &result_.request.id);
          case kParameters:
            return ReadRequestParameters(value);
          case kInputs:
            has_inputs = true;
            return ReadInputs(value);
          default:
            return ReadOutputs(value);
        }
      });
  if (!status.ok()) return status;
  if (!has_inputs) return Invalid("\"inputs\" is missing");
  if (binary_at_ < binary_.size()) {
    return Invalid(absl::StrCat(
        binary_.size() - binary_at_, " bytes of binary data are left over: ",
        "the sum of \"binary_data_size\" is smaller than what follows the ",
        "JSON"));
  }
  for (const std::optional<bool> binary : binary_outputs_) {
    result_.binary.each.push_back(binary.value_or(result_.binary.all));
  }
  return absl::OkStatus();
}

absl::Status RequestReader::ReadInputs(json::value value) {
  std::vector<Tensor>& inputs = result_.request.inputs;
  return ReadElements(value, "inputs", [&](json::value element) {
    if (inputs.size() >= kMaxTensors) return Invalid("too many inputs");
    Tensor& tensor = inputs.emplace_back();
    absl::Status status =
        InputReader(model_, inputs, binary_, text_bytes_, budget_)
            .Read(element, &binary_at_, &tensor);
    if (status.ok()) return status;
    return At(tensor.name.empty()
                  ? absl::StrCat("input ", inputs.size() - 1, ": ")
                  : absl::StrCat("input ", Quote(tensor.name), ": "),
              status);
  });
}

absl::Status RequestReader::ReadOutputs(json::value value) {
  return ReadElements(value, "outputs", [&](json::value element) {
    const size_t number = binary_outputs_.size();
    if (number >= kMaxTensors) return Invalid("too many outputs");
    return At(absl::StrCat("output ", number, ": "), ReadOutput(element));
  });
}

absl::Status RequestReader::ReadOutput(json::value value) {
  enum { kName, kParameters };
  static constexpr std::array<absl::string_view, 2> kNames = {"name",
                                                              "parameters"};
  bool named = false;
  TensorParameters parameters;
  std::string& name = result_.request.outputs.emplace_back();
  absl::Status status =
      ReadFields(value, "it", kNames, [&](size_t i, json::value field) {
        if (i == kParameters) return ReadParameters(field, &parameters);
        named = true;
        return GetString(field, "name", &name);
      });
  if (!status.ok()) return status;
  if (!named) return Invalid("\"name\" is missing");
  if (parameters.lod) return Invalid("\"lod\" belongs to inputs");
  binary_outputs_.push_back(parameters.binary);
  return absl::OkStatus();
}

absl::Status RequestReader::ReadRequestParameters(json::value value) {
  enum { kBinaryOutputs, kPriority, kTimeout };
  static constexpr std::array<absl::string_view, 3> kNames = {
      "binary_data_output", "priority", "timeout"};
  absl::Status status =
      ReadFields(value, "it", kNames, [&](size_t i, json::value field) {
        if (i == kBinaryOutputs) {
          return Get(field, kNames[i], "boolean", &result_.binary.all);
        }
        if (i == kPriority) {
          return Get(field, kNames[i], "number from 0 on",
                     &result_.request.priority);
        }
        uint64_t us = 0;
        absl::Status got =
            Get(field, kNames[i], "number of microseconds from 0 on", &us);
        result_.request.timeout =
            std::chrono::microseconds(std::min(us, kMaxTimeoutUs));
        return got;
      });
  return At("\"parameters\": ", status);
}

}  // namespace

absl::StatusOr<InferRequest> DecodeInferRequest(const infer::ModelInfo& model,
                                                const Body& body,
                                                base::ByteBudget* budget) {
  const size_t size = body.json_size.value_or(body.bytes.size());
  if (size > body.bytes.size()) {
    return Invalid(absl::StrCat(kJsonLengthHeader, " is ", size,
                                ", but the body has ", body.bytes.size(),
                                " bytes"));
  }
  const JsonText text(body.bytes, size, body.padded);
  const absl::Cord binary = body.bytes.Subcord(size, body.bytes.size() - size);
  InferRequest result;
  absl::Status status = Parse(text.view(), [&](json::object root) {
    return RequestReader(model, binary, size, budget, &result).Read(root);
  });
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<InferRequest> DecodeRawRequest(const infer::ModelInfo& model,
                                              const absl::Cord& body) {
  if (model.inputs.size() != 1) {
    return Invalid(absl::StrCat("a raw body needs a model with one input; ",
                                Quote(model.name), " has ",
                                model.inputs.size()));
  }
  const base::TensorSpec& spec = model.inputs.front();
  Tensor tensor{spec.name, spec.dtype, spec.shape, body};
  size_t known = base::SizeOf(spec.dtype);
  if (spec.dtype == DataType::kBytes) {
    char size[4];
    for (size_t i = 0; i < 4; ++i) {
      size[i] = static_cast<char>(body.size() >> (8 * i));
    }
    tensor.data.Prepend(absl::string_view(size, 4));
    known = body.size();
  }
  auto variable = std::count_if(spec.shape.begin(), spec.shape.end(),
                                [](int64_t dim) { return dim < 0; });
  if (variable > 1 && tensor.shape.front() < 0) {
    tensor.shape.front() = 1;
    --variable;
  }
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
    return Invalid(
        absl::StrCat("a raw body of ", body.size(),
                     " bytes does not make up input ", Quote(spec.name), " of ",
                     base::NameOf(spec.dtype), " ", ShapeText(spec.shape)));
  }
  if (unknown != nullptr) *unknown = static_cast<int64_t>(body.size() / known);
  if (spec.lod_level > 0 && !tensor.shape.empty()) {
    // One sequence, on every level.
    tensor.lod.assign(static_cast<size_t>(spec.lod_level), {0, 1});
    tensor.lod.back().back() = tensor.shape.front();
  }
  InferRequest result;
  result.request.inputs.push_back(std::move(tensor));
  result.binary.all = true;
  return result;
}

absl::StatusOr<bool> DecodeIndexRequest(const absl::Cord& body) {
  bool ready = false;
  if (body.empty()) return ready;
  static constexpr std::array<absl::string_view, 1> kNames = {"ready"};
  const JsonText text(body, body.size(), false);
  absl::Status status = Parse(text.view(), [&](json::object root) {
    return ReadFields(root, kNames, [&](size_t, json::value value) {
      return Get(value, "ready", "boolean", &ready);
    });
  });
  if (!status.ok()) return status;
  return ready;
}

}  // namespace rest
