#include "cc/server/tensor_json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/server/protocol.h"

namespace server {
namespace {

using engine::DataType;
using engine::Tensor;

void Parse(absl::string_view token, float* value) {
  *value = std::strtof(std::string(token).c_str(), nullptr);
}

void Parse(absl::string_view token, double* value) {
  *value = std::strtod(std::string(token).c_str(), nullptr);
}

// Appends one element of type T; bool is BOOL.
template <typename T>
void ReadElement(JsonReader* reader, std::string* out) {
  T value{};
  if constexpr (std::is_same_v<T, bool>) {
    value = reader->Bool();
  } else if constexpr (std::is_integral_v<T>) {
    value = reader->Integer<T>();
  } else {
    const absl::string_view token = reader->Number();
    if (!reader->ok()) return;
    const auto end = token.data() + token.size();
    if (std::from_chars(token.data(), end, value).ec != std::errc()) {
      // Out of range: from_chars does not tell tiny from huge, strtod does.
      Parse(token, &value);
      if (std::isinf(value)) {
        reader->Fail(absl::StrCat("number ", token,
                                  " is out of range for this datatype"));
      }
    }
  }
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
void ReadNested(JsonReader* reader, const std::vector<int64_t>& shape,
                size_t dim, std::string* out) {
  if (dim == shape.size()) return ReadElement<T>(reader, out);
  int64_t length = 0;
  reader->EnterArray();
  while (reader->NextElement()) {
    if (++length > shape[dim]) break;
    ReadNested<T>(reader, shape, dim + 1, out);
  }
  if (length != shape[dim]) {
    reader->Fail(absl::StrCat("\"data\" has ",
                              length > shape[dim] ? "more" : "fewer", " than ",
                              shape[dim], " elements in dimension ", dim,
                              " of shape ", ShapeText(shape)));
  }
}

template <typename T>
void ReadFlat(JsonReader* reader, const std::vector<int64_t>& shape,
              size_t count, std::string* out) {
  size_t length = 0;
  reader->EnterArray();
  while (reader->NextElement()) {
    if (++length > count) break;
    ReadElement<T>(reader, out);
  }
  if (length != count) {
    reader->Fail(absl::StrCat("\"data\" has ",
                              length > count ? "more" : "fewer", " than the ",
                              count, " elements of shape ", ShapeText(shape)));
  }
}

template <typename T>
void Read(JsonReader* reader, size_t bytes, Tensor* tensor) {
  const size_t count = bytes / sizeof(T);
  // An element takes two characters at least, so a short text cannot make us
  // reserve a large tensor.
  if (count > reader->remaining()) {
    return reader->Fail(absl::StrCat("\"data\" has fewer than the ", count,
                                     " elements of shape ",
                                     ShapeText(tensor->shape)));
  }
  tensor->data.reserve(bytes);
  if (tensor->shape.size() > 1 && reader->NestedArrayNext()) {
    ReadNested<T>(reader, tensor->shape, 0, &tensor->data);
  } else {
    ReadFlat<T>(reader, tensor->shape, count, &tensor->data);
  }
}

template <typename T>
absl::Status Append(const Tensor& tensor, std::string* out) {
  const size_t count = tensor.data.size() / sizeof(T);
  out->push_back('[');
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, tensor.data.data() + i * sizeof(T), sizeof(T));
    if (i > 0) out->push_back(',');
    if constexpr (std::is_same_v<T, bool>) {
      out->append(tensor.data[i] != 0 ? "true" : "false");
    } else if (!AppendJsonNumber(value, out)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "output \"", tensor.name, "\" holds NaN or infinity at element ", i,
          ", which JSON cannot carry; ask for it as binary data"));
    }
  }
  out->push_back(']');
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<size_t> TensorBytes(const Tensor& tensor) {
  size_t bytes = engine::SizeOf(tensor.dtype);
  for (const int64_t dim : tensor.shape) {
    if (dim < 1 || dim > std::numeric_limits<int32_t>::max() ||
        bytes >
            std::numeric_limits<int64_t>::max() / static_cast<size_t>(dim)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "shape ", ShapeText(tensor.shape), " is not possible: a dimension ",
          "is 1 to 2147483647, and all of them must fit into memory"));
    }
    bytes *= static_cast<size_t>(dim);
  }
  return bytes;
}

void ReadTensorData(JsonReader* reader, Tensor* tensor) {
  const auto bytes = TensorBytes(*tensor);
  if (!bytes.ok()) return reader->Fail(bytes.status().message());
  switch (tensor->dtype) {
    case DataType::kBool:
      return Read<bool>(reader, *bytes, tensor);
    case DataType::kUint8:
      return Read<uint8_t>(reader, *bytes, tensor);
    case DataType::kInt8:
      return Read<int8_t>(reader, *bytes, tensor);
    case DataType::kInt32:
      return Read<int32_t>(reader, *bytes, tensor);
    case DataType::kInt64:
      return Read<int64_t>(reader, *bytes, tensor);
    case DataType::kFloat32:
      return Read<float>(reader, *bytes, tensor);
    case DataType::kFloat64:
      return Read<double>(reader, *bytes, tensor);
    case DataType::kFloat16:
      return reader->Fail("FP16 cannot travel as JSON; send it as binary data");
  }
}

absl::Status AppendTensorData(const Tensor& tensor, std::string* out) {
  switch (tensor.dtype) {
    case DataType::kBool:
      return Append<bool>(tensor, out);
    case DataType::kUint8:
      return Append<uint8_t>(tensor, out);
    case DataType::kInt8:
      return Append<int8_t>(tensor, out);
    case DataType::kInt32:
      return Append<int32_t>(tensor, out);
    case DataType::kInt64:
      return Append<int64_t>(tensor, out);
    case DataType::kFloat32:
      return Append<float>(tensor, out);
    case DataType::kFloat64:
      return Append<double>(tensor, out);
    case DataType::kFloat16:
      return absl::FailedPreconditionError(
          absl::StrCat("output \"", tensor.name,
                       "\" is FP16, which cannot travel as JSON; ask for it ",
                       "as binary data"));
  }
  return absl::InternalError("unknown datatype");
}

}  // namespace server
