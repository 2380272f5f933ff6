#include "cc/server/tensor_json.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/server/json.h"
#include "cc/server/protocol.h"

namespace server {
namespace {

namespace dom = simdjson::dom;
using engine::DataType;
using engine::Tensor;

absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"data\": ", what));
}

absl::Status WrongCount(bool more, uint64_t wanted, absl::string_view where,
                        const Tensor& tensor) {
  return Invalid(absl::StrCat("there are ", more ? "more" : "fewer", " than ",
                              wanted, " elements", where, " for shape ",
                              ShapeText(tensor.shape)));
}

// Appends one element of type T; bool is BOOL.
template <typename T>
absl::Status ReadElement(dom::element element, Tensor* tensor) {
  T value{};
  bool fits = false;
  if constexpr (std::is_same_v<T, bool>) {
    fits = element.get(value) == simdjson::SUCCESS;
  } else if constexpr (std::is_integral_v<T>) {
    int64_t wide = 0;
    fits = element.get(wide) == simdjson::SUCCESS &&
           wide >= std::numeric_limits<T>::min() &&
           wide <= std::numeric_limits<T>::max();
    value = static_cast<T>(wide);
  } else {
    double wide = 0;
    fits = element.get(wide) == simdjson::SUCCESS;
    value = static_cast<T>(wide);
    fits = fits && std::isfinite(value);
  }
  if (!fits) {
    const std::string text =
        element.is_array() || element.is_object()
            ? "an array or object"
            : std::string(simdjson::minify(element)).substr(0, 40);
    return Invalid(absl::StrCat("element ", tensor->data.size() / sizeof(T),
                                " is ", text, ", which is no ",
                                DataTypeName(tensor->dtype)));
  }
  tensor->data.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return absl::OkStatus();
}

// Reads dimensions `dim`... of the shape, nested as they are.
template <typename T>
absl::Status ReadNested(dom::element element, size_t dim, Tensor* tensor) {
  if (dim == tensor->shape.size()) return ReadElement<T>(element, tensor);
  dom::array array;
  if (element.get(array) != simdjson::SUCCESS) {
    return Invalid(
        absl::StrCat("dimension ", dim, " is not an array all over"));
  }
  const int64_t length = tensor->shape[dim];
  int64_t count = 0;
  absl::Status status;
  for (const dom::element inner : array) {
    if (++count > length) break;
    status = ReadNested<T>(inner, dim + 1, tensor);
    if (!status.ok()) return status;
  }
  if (count != length) {
    return WrongCount(count > length, static_cast<uint64_t>(length),
                      absl::StrCat(" in dimension ", dim), *tensor);
  }
  return status;
}

template <typename T>
absl::Status Read(dom::element data, size_t bytes, Tensor* tensor) {
  dom::array array;
  if (data.get(array) != simdjson::SUCCESS) return Invalid("is no array");
  const size_t wanted = bytes / sizeof(T);
  // No more than a guess: the shape may promise what the array does not hold.
  tensor->data.reserve(std::min<size_t>(bytes, 1 << 20));
  dom::element first;
  if (tensor->shape.size() > 1 && array.at(0).get(first) == simdjson::SUCCESS &&
      first.is_array()) {
    return ReadNested<T>(data, 0, tensor);
  }
  size_t count = 0;
  for (const dom::element element : array) {
    if (++count > wanted) break;
    if (absl::Status status = ReadElement<T>(element, tensor); !status.ok()) {
      return status;
    }
  }
  if (count != wanted) return WrongCount(count > wanted, wanted, "", *tensor);
  return absl::OkStatus();
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

absl::Status ReadTensorData(dom::element data, Tensor* tensor) {
  const auto bytes = TensorBytes(*tensor);
  if (!bytes.ok()) return bytes.status();
  switch (tensor->dtype) {
    case DataType::kBool:
      return Read<bool>(data, *bytes, tensor);
    case DataType::kUint8:
      return Read<uint8_t>(data, *bytes, tensor);
    case DataType::kInt8:
      return Read<int8_t>(data, *bytes, tensor);
    case DataType::kInt32:
      return Read<int32_t>(data, *bytes, tensor);
    case DataType::kInt64:
      return Read<int64_t>(data, *bytes, tensor);
    case DataType::kFloat32:
      return Read<float>(data, *bytes, tensor);
    case DataType::kFloat64:
      return Read<double>(data, *bytes, tensor);
    default:
      break;
  }
  return Invalid("FP16 cannot travel as JSON; send it as binary data");
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
    default:
      return absl::InternalError("unknown datatype");
  }
}

}  // namespace server
