#include "cc/frontend/rest/input_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/json_text.h"
#include "cc/frontend/rest/tensor_json.h"
#include "cc/infer/validate.h"

namespace rest {
namespace {

using base::Quote;
using base::ShapeText;
using infer::Tensor;

constexpr size_t kMaxLodLevels = 16;

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

}  // namespace

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
  return ParseArray(*late_data_, [&](json::array array) {
    return ReadTensorData(array, late_data_->size(), budget_, tensor);
  });
}

absl::Status InputReader::TakeBinary(size_t* at, Tensor* tensor) const {
  if (absl::Status status = CheckHead(*tensor); !status.ok()) return status;
  const auto elements = infer::CountElements(tensor->shape);
  if (!elements.ok()) return elements.status();
  const uint64_t size = *parameters_.binary_size;
  const uint64_t expected = *elements * base::SizeOf(tensor->dtype);
  if (size != expected && tensor->dtype != base::DataType::kBytes) {
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

}  // namespace rest
