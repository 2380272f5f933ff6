#include "cc/frontend/grpc/decode.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/base/wire.h"
#include "cc/infer/validate.h"

namespace grpc {
namespace {

using base::Quote;
using infer::Tensor;

constexpr size_t kMaxTensors = 1024;
constexpr size_t kMaxLodLevels = 16;
// Longer timeouts are as good as none, and their sum with a time overflows.
constexpr int64_t kMaxTimeoutUs = int64_t{365} * 24 * 3600 * 1'000'000;

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

absl::Status At(absl::string_view where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(where, status.message()));
}

// One entry of map<string, InferParameter>.
struct Parameter {
  std::string name;
  std::optional<uint64_t> number;  // from 0 on
  std::optional<std::string> text;
};

absl::Status ReadParameter(const absl::Cord& entry, Parameter* result) {
  wire::Reader reader(entry);
  absl::Cord value;
  while (reader.Next()) {
    if (reader.number() == 1) reader.Read(&result->name);
    if (reader.number() == 2) reader.Read(&value);
  }
  if (!reader.status().ok()) return reader.status();
  wire::Reader one(value);
  while (one.Next()) {
    int64_t number = 0;
    switch (one.number()) {
      case 2:  // int64_param
        if (one.Read(&number)) {
          result->number.reset();
          if (number >= 0) result->number = static_cast<uint64_t>(number);
        }
        break;
      case 3:  // string_param
        one.Read(&result->text.emplace());
        break;
      case 5:  // uint64_param
        one.Read(&result->number.emplace());
        break;
      default:  // bool_param and double_param: nothing here is one
        break;
    }
  }
  return one.status();
}

absl::Status ReadRequestParameter(const absl::Cord& entry,
                                  InferMessage* result) {
  Parameter parameter;
  if (absl::Status status = ReadParameter(entry, &parameter); !status.ok()) {
    return status;
  }
  const bool priority = parameter.name == "priority";
  if (!priority && parameter.name != "timeout") return absl::OkStatus();
  if (!parameter.number) {
    return Invalid(absl::StrCat("parameter \"", parameter.name, "\" is no ",
                                priority ? "number" : "number of microseconds",
                                " from 0 on (int64_param or uint64_param)"));
  }
  if (priority) {
    result->priority = *parameter.number;
  } else {
    result->timeout = std::chrono::microseconds(static_cast<int64_t>(
        std::min<uint64_t>(*parameter.number, kMaxTimeoutUs)));
  }
  return absl::OkStatus();
}

// "[0,2,5]", or a list of such lists.
absl::Status ReadLod(absl::string_view text, base::Lod* lod) {
  const auto wrong = [] {
    return Invalid(
        "parameter \"lod\" is no string_param like \"[0,2,5]\", or a list of "
        "such lists");
  };
  std::string plain(text);
  plain.erase(std::remove_if(plain.begin(), plain.end(), absl::ascii_isspace),
              plain.end());
  absl::string_view left = plain;
  if (left.size() < 2 || left.front() != '[' || left.back() != ']') {
    return wrong();
  }
  const bool nested = left[1] == '[';
  if (nested) left = left.substr(1, left.size() - 2);
  while (!left.empty()) {
    const size_t end = left.find(']');
    if (left.front() != '[' || end == left.npos) return wrong();
    if (lod->size() >= kMaxLodLevels) {
      return Invalid(absl::StrCat("parameter \"lod\" has more than ",
                                  kMaxLodLevels, " levels"));
    }
    std::vector<int64_t>& level = lod->emplace_back();
    absl::string_view numbers = left.substr(1, end - 1);
    for (bool more = !numbers.empty(); more;) {
      const size_t comma = numbers.find(',');
      more = comma != numbers.npos;
      if (!absl::SimpleAtoi(numbers.substr(0, comma), &level.emplace_back())) {
        return wrong();
      }
      if (more) numbers.remove_prefix(comma + 1);
    }
    left.remove_prefix(end + 1);
    if (left.empty()) break;
    if (!nested || left.front() != ',' || left.size() == 1) return wrong();
    left.remove_prefix(1);
  }
  return absl::OkStatus();
}

// Parameters that ask for what this server cannot do are refused: ignoring
// them would answer another question. `lod` is nullptr for an output.
absl::Status ReadTensorParameter(const absl::Cord& entry, base::Lod* lod) {
  constexpr std::array<absl::string_view, 4> kNotSupported = {
      "classification", "shared_memory_region", "shared_memory_offset",
      "shared_memory_byte_size"};
  Parameter parameter;
  if (absl::Status status = ReadParameter(entry, &parameter); !status.ok()) {
    return status;
  }
  if (std::find(kNotSupported.begin(), kNotSupported.end(), parameter.name) !=
      kNotSupported.end()) {
    return Invalid(
        absl::StrCat("parameter \"", parameter.name, "\" is not supported"));
  }
  if (parameter.name != "lod") return absl::OkStatus();
  if (lod == nullptr) return Invalid("parameter \"lod\" belongs to inputs");
  return ReadLod(parameter.text.value_or(""), lod);
}

// An InferInputTensor, without its data.
struct Input {
  Tensor tensor;
  std::string datatype;
  absl::Cord contents;
  bool has_contents = false;
};

absl::Status ReadShape(wire::Reader* reader, std::vector<int64_t>* shape) {
  const auto add = [shape](uint64_t dim) {
    shape->push_back(static_cast<int64_t>(dim));
    return shape->size() <= infer::kMaxRank;
  };
  if (reader->type() == wire::Type::kVarint) {
    uint64_t dim = 0;
    if (reader->Read(&dim)) add(dim);
  } else {
    absl::Cord packed;
    if (reader->Read(&packed) && !wire::ForEachVarint(packed, add)) {
      reader->Fail("the numbers of \"shape\" are none");
    }
  }
  if (shape->size() > infer::kMaxRank) {
    return Invalid(absl::StrCat("\"shape\" has more than ", infer::kMaxRank,
                                " dimensions"));
  }
  return absl::OkStatus();
}

absl::Status ReadInput(const absl::Cord& bytes, Input* input) {
  wire::Reader reader(bytes);
  absl::Status status;
  while (status.ok() && reader.Next()) {
    absl::Cord part;
    switch (reader.number()) {
      case 1:
        reader.Read(&input->tensor.name);
        break;
      case 2:
        reader.Read(&input->datatype);
        break;
      case 3:
        status = ReadShape(&reader, &input->tensor.shape);
        break;
      case 4:
        if (reader.Read(&part)) {
          input->tensor.lod.clear();
          status = ReadTensorParameter(part, &input->tensor.lod);
        }
        break;
      case 5:
        // One that comes again is merged, which is to be appended.
        if (reader.Read(&part)) input->contents.Append(std::move(part));
        input->has_contents = true;
        break;
      default:
        break;
    }
  }
  return status.ok() ? reader.status() : status;
}

absl::Status CheckInput(const infer::ModelInfo& model,
                        const std::vector<Tensor>& others, Input* input) {
  Tensor& tensor = input->tensor;
  const auto type = base::DataTypeOf(input->datatype);
  if (!type) {
    return Invalid(absl::StrCat(
        "datatype ", Quote(input->datatype),
        " is unknown; the protocol has BOOL, UINT8 to UINT64, INT8 to INT64, "
        "FP16, FP32, FP64, BF16 and BYTES"));
  }
  tensor.dtype = *type;
  const auto spec = infer::FindInput(model, tensor.name);
  if (!spec.ok()) return spec.status();
  for (const Tensor& other : others) {
    if (other.name == tensor.name) return Invalid("it is given twice");
  }
  return infer::CheckType(model, **spec, tensor.dtype, tensor.shape);
}

absl::Status DecodeInput(const infer::ModelInfo& model,
                         const InferMessage& message, size_t index,
                         const std::vector<Tensor>& others,
                         http::BlockPool* pool, Input* input) {
  if (absl::Status status = ReadInput(message.inputs[index], input);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckInput(model, others, input); !status.ok()) {
    return status;
  }
  if (message.raw.empty()) {
    return ReadContents(input->contents, pool, &input->tensor);
  }
  if (input->has_contents) {
    return Invalid(
        "has \"contents\", while the request has \"raw_input_contents\"");
  }
  input->tensor.data = message.raw[index];
  return absl::OkStatus();
}

absl::Status DecodeOutput(const absl::Cord& bytes, std::string* name) {
  wire::Reader reader(bytes);
  absl::Status status;
  while (status.ok() && reader.Next()) {
    absl::Cord part;
    if (reader.number() == 1) reader.Read(name);
    if (reader.number() == 2 && reader.Read(&part)) {
      status = ReadTensorParameter(part, nullptr);
    }
  }
  return status.ok() ? reader.status() : status;
}

}  // namespace

absl::Status ParseInferMessage(const absl::Cord& bytes, InferMessage* result) {
  wire::Reader reader(bytes);
  absl::Status status;
  const auto add = [&](absl::string_view what, std::vector<absl::Cord>* list) {
    if (list->size() >= kMaxTensors) {
      status =
          Invalid(absl::StrCat("there are more than ", kMaxTensors, " ", what));
    } else {
      reader.Read(&list->emplace_back());
    }
  };
  while (status.ok() && reader.Next()) {
    absl::Cord part;
    switch (reader.number()) {
      case 1:
        reader.Read(&result->model_name);
        break;
      case 2:
        reader.Read(&result->model_version);
        break;
      case 3:
        reader.Read(&result->id);
        break;
      case 4:
        if (reader.Read(&part)) status = ReadRequestParameter(part, result);
        break;
      case 5:
        add("inputs", &result->inputs);
        break;
      case 6:
        add("outputs", &result->outputs);
        break;
      case 7:
        add("raw_input_contents", &result->raw);
        break;
      default:
        break;
    }
  }
  return status.ok() ? reader.status() : status;
}

absl::StatusOr<infer::Request> DecodeInferRequest(const infer::ModelInfo& model,
                                                  const InferMessage& message,
                                                  http::BlockPool* pool) {
  if (!message.raw.empty() && message.raw.size() != message.inputs.size()) {
    return Invalid(absl::StrCat("the request has ", message.inputs.size(),
                                " inputs and ", message.raw.size(),
                                " raw_input_contents: one for each is wanted"));
  }
  infer::Request request;
  request.id = message.id;
  request.priority = message.priority;
  request.timeout = message.timeout;
  request.inputs.reserve(message.inputs.size());
  for (size_t i = 0; i < message.inputs.size(); ++i) {
    Input input;
    if (absl::Status status =
            DecodeInput(model, message, i, request.inputs, pool, &input);
        !status.ok()) {
      return At(input.tensor.name.empty()
                    ? absl::StrCat("input ", i, ": ")
                    : absl::StrCat("input ", Quote(input.tensor.name), ": "),
                status);
    }
    request.inputs.push_back(std::move(input.tensor));
  }
  for (size_t i = 0; i < message.outputs.size(); ++i) {
    if (absl::Status status =
            DecodeOutput(message.outputs[i], &request.outputs.emplace_back());
        !status.ok()) {
      return At(absl::StrCat("output ", i, ": "), status);
    }
  }
  return request;
}

}  // namespace grpc
