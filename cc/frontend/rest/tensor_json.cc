#include "cc/frontend/rest/tensor_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cc/base/copy_counter.h"
#include "cc/base/data_type.h"
#include "cc/base/half.h"
#include "cc/base/json.h"
#include "cc/infer/byte_elements.h"
#include "cc/infer/validate.h"

namespace rest {
namespace {

using base::DataType;
using infer::Tensor;

absl::Status InvalidData(absl::string_view what) {
  return Invalid(absl::StrCat("\"data\": ", what));
}

template <typename T>
constexpr bool kIsHalf =
    std::is_same_v<T, base::Float16> || std::is_same_v<T, base::Bfloat16>;

// Whether a value of JSON is a T; then it is written to `to`. By reference, as
// all values here: a copy that is read right after it was written in parts
// stalls the processor, which makes 83 us of 29 for 3,072 numbers.
template <typename T>
bool ReadNumber(json::value& value, char* to) {
  T number{};
  if constexpr (std::is_same_v<T, bool>) {
    if (value.get(number) != simdjson::SUCCESS) return false;
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    if (value.get(number) != simdjson::SUCCESS) return false;
  } else if constexpr (std::is_integral_v<T>) {
    int64_t wide = 0;
    if (value.get(wide) != simdjson::SUCCESS ||
        wide < std::numeric_limits<T>::min() ||
        wide > std::numeric_limits<T>::max()) {
      return false;
    }
    number = static_cast<T>(wide);
  } else {
    double wide = 0;
    if (value.get(wide) != simdjson::SUCCESS) return false;
    if constexpr (kIsHalf<T>) {
      const std::optional<T> half = T::Of(wide);
      if (!half) return false;
      number = *half;
    } else {
      number = static_cast<T>(wide);
      if (!std::isfinite(number)) return false;
    }
  }
  std::memcpy(to, &number, sizeof(T));
  return true;
}

// Reads the elements of an array, flat or nested, in order. `Sink` takes a
// value, or says no.
template <typename Sink>
class ElementReader {
 public:
  ElementReader(const Tensor& tensor, uint64_t elements, Sink sink)
      : tensor_(tensor), elements_(elements), sink_(std::move(sink)) {}

  absl::Status Read(json::array array) {
    bool nested = false;
    int64_t count = 0;
    for (auto result : array) {
      json::value value;
      if (const auto error = result.get(value)) return Malformed(error);
      if (count == 0) nested = tensor_.shape.size() > 1 && IsArray(value);
      if (nested ? count == tensor_.shape[0] : index_ == elements_) {
        return WrongCount("more", nested ? 0 : -1);
      }
      ++count;
      absl::Status status = nested ? ReadNested(value, 1) : ReadElement(value);
      if (!status.ok()) return status;
    }
    if (nested && count < tensor_.shape[0]) return WrongCount("fewer", 0);
    if (index_ < elements_) return WrongCount("fewer", -1);
    return absl::OkStatus();
  }

 private:
  static bool IsArray(json::value& value) {
    json::json_type type{};
    return value.type().get(type) == simdjson::SUCCESS &&
           type == json::json_type::array;
  }

  // Dimensions `dim` and on, nested as they are.
  absl::Status ReadNested(json::value& value, int dim) {
    if (static_cast<size_t>(dim) == tensor_.shape.size()) {
      return ReadElement(value);
    }
    json::array array;
    if (value.get(array) != simdjson::SUCCESS) {
      return InvalidData(
          absl::StrCat("dimension ", dim, " is not an array all over"));
    }
    const int64_t length = tensor_.shape[static_cast<size_t>(dim)];
    int64_t count = 0;
    for (auto result : array) {
      json::value inner;
      if (const auto error = result.get(inner)) return Malformed(error);
      if (++count > length) return WrongCount("more", dim);
      if (auto status = ReadNested(inner, dim + 1); !status.ok()) return status;
    }
    return count < length ? WrongCount("fewer", dim) : absl::OkStatus();
  }

  absl::Status ReadElement(json::value& value) {
    if (sink_(value)) {
      ++index_;
      return absl::OkStatus();
    }
    const std::string_view token = value.raw_json_token();
    const bool scalar = !token.empty() && token[0] != '[' && token[0] != '{';
    return InvalidData(
        absl::StrCat("element ", index_, " is ",
                     scalar ? base::Clip(absl::StripTrailingAsciiWhitespace(
                                             {token.data(), token.size()}),
                                         40)
                            : "an array or object",
                     ", which is no ", base::NameOf(tensor_.dtype)));
  }

  // `dim`: of which dimension; -1: of the whole.
  absl::Status WrongCount(absl::string_view which, int dim) const {
    return InvalidData(absl::StrCat(
        "there are ", which, " than ",
        dim < 0
            ? elements_
            : static_cast<uint64_t>(tensor_.shape[static_cast<size_t>(dim)]),
        " elements", dim < 0 ? "" : absl::StrCat(" in dimension ", dim),
        " for shape ", base::ShapeText(tensor_.shape)));
  }

  const Tensor& tensor_;
  const uint64_t elements_;
  Sink sink_;
  uint64_t index_ = 0;
};

// Bytes that are taken of a budget as long as they live.
struct Buffer {
  explicit Buffer(base::ByteBudget* budget) : charge(budget) {}

  base::Charge charge;
  std::unique_ptr<char[]> data;
};

// nullptr where there is no room.
std::shared_ptr<Buffer> MakeBuffer(size_t bytes, base::ByteBudget* budget) {
  auto buffer = std::make_shared<Buffer>(budget);
  if (!buffer->charge.Resize(bytes)) return nullptr;
  buffer->data.reset(new (std::nothrow) char[bytes == 0 ? 1 : bytes]);
  return buffer->data != nullptr ? buffer : nullptr;
}

absl::Cord ToCord(std::shared_ptr<Buffer> buffer, size_t bytes) {
  const absl::string_view data(buffer->data.get(), bytes);
  return absl::MakeCordFromExternal(data, [owned = std::move(buffer)] {});
}

absl::Status NoRoom(uint64_t bytes) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "the server has no room for a tensor of ", bytes, " bytes just now"));
}

template <typename T>
absl::Status ReadNumbers(json::array data, uint64_t elements,
                         base::ByteBudget* budget, Tensor* tensor) {
  const size_t bytes = elements * sizeof(T);
  const auto buffer = MakeBuffer(bytes, budget);
  if (buffer == nullptr) return NoRoom(bytes);
  const auto sink = [to = buffer->data.get()](json::value& value) mutable {
    if (!ReadNumber<T>(value, to)) return false;
    to += sizeof(T);
    return true;
  };
  absl::Status status = ElementReader(*tensor, elements, sink).Read(data);
  if (status.ok()) tensor->data = ToCord(buffer, bytes);
  return status;
}

absl::Status ReadStrings(json::array data, uint64_t elements,
                         base::ByteBudget* budget, Tensor* tensor) {
  std::string bytes;
  const auto sink = [&bytes](json::value& value) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return false;
    const infer::ElementPrefix prefix = infer::PrefixOf(text.size());
    bytes.append(prefix.data(), prefix.size());
    bytes.append(text);
    return true;
  };
  absl::Status status = ElementReader(*tensor, elements, sink).Read(data);
  if (!status.ok()) return status;
  const auto buffer = MakeBuffer(bytes.size(), budget);
  if (buffer == nullptr) return NoRoom(bytes.size());
  std::copy(bytes.begin(), bytes.end(), buffer->data.get());
  tensor->data = ToCord(buffer, bytes.size());
  return status;
}

// The bytes of the tensor in one piece; `copy` holds them where they are not.
absl::string_view Flat(const absl::Cord& data, std::string* copy) {
  if (const auto flat = data.TryFlat()) return *flat;
  base::CountCopy(data.size());
  *copy = std::string(data);
  return *copy;
}

template <typename T>
auto NumberOf(T value) {
  if constexpr (kIsHalf<T>) {
    return value.value();
  } else {
    return value;
  }
}

// "1,2,3"; false where one cannot be written, whose index is put to `bad`.
template <typename T>
bool AppendNumbers(absl::string_view data, std::string* out, size_t* bad) {
  // By blocks: a string checks its room at each append.
  constexpr size_t kBlock = 64;
  char text[kBlock * (base::kMaxJsonNumber + 1)];
  const size_t count = data.size() / sizeof(T);
  for (size_t begin = 0; begin < count; begin += kBlock) {
    char* to = text;
    for (size_t i = begin; i < std::min(count, begin + kBlock); ++i) {
      T value;
      std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
      if (i > 0) *to++ = ',';
      to = base::WriteJsonNumber(NumberOf(value), to);
      if (to == nullptr) {
        *bad = i;
        return false;
      }
    }
    out->append(text, static_cast<size_t>(to - text));
  }
  return true;
}

template <typename T>
absl::Status Append(const Tensor& tensor, std::string* out) {
  std::string copy;
  size_t bad = 0;
  if (AppendNumbers<T>(Flat(tensor.data, &copy), out, &bad)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "output ", base::Quote(tensor.name), " holds NaN or infinity at element ",
      bad, ", which JSON cannot carry; ask for it as binary data"));
}

absl::Status AppendBools(const Tensor& tensor, std::string* out) {
  bool first = true;
  for (const absl::string_view chunk : tensor.data.Chunks()) {
    for (const char byte : chunk) {
      if (!std::exchange(first, false)) out->push_back(',');
      out->append(byte != 0 ? "true" : "false");
    }
  }
  return absl::OkStatus();
}

absl::Status AppendStrings(const Tensor& tensor, std::string* out) {
  std::string copy;
  absl::string_view data = Flat(tensor.data, &copy);
  for (size_t i = 0; !data.empty(); ++i) {
    size_t size = 0;
    for (size_t j = 0; j < 4 && j < data.size(); ++j) {
      size |= static_cast<size_t>(static_cast<uint8_t>(data[j])) << (8 * j);
    }
    if (data.size() < 4 || size > data.size() - 4) {
      return absl::InternalError(absl::StrCat(
          "output ", base::Quote(tensor.name), " is cut off at element ", i));
    }
    const absl::string_view text = data.substr(4, size);
    data.remove_prefix(4 + size);
    if (!base::IsUtf8(text)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "output ", base::Quote(tensor.name), " is not UTF-8 at ", "element ",
          i, ", which JSON cannot carry; ask for it ", "as binary data"));
    }
    if (i > 0) out->push_back(',');
    base::AppendJsonString(text, out);
  }
  return absl::OkStatus();
}

absl::Status AppendElements(const Tensor& tensor, std::string* out) {
  switch (tensor.dtype) {
    case DataType::kBool:
      return AppendBools(tensor, out);
    case DataType::kUint8:
      return Append<uint8_t>(tensor, out);
    case DataType::kUint16:
      return Append<uint16_t>(tensor, out);
    case DataType::kUint32:
      return Append<uint32_t>(tensor, out);
    case DataType::kUint64:
      return Append<uint64_t>(tensor, out);
    case DataType::kInt8:
      return Append<int8_t>(tensor, out);
    case DataType::kInt16:
      return Append<int16_t>(tensor, out);
    case DataType::kInt32:
      return Append<int32_t>(tensor, out);
    case DataType::kInt64:
      return Append<int64_t>(tensor, out);
    case DataType::kFloat16:
      return Append<base::Float16>(tensor, out);
    case DataType::kFloat32:
      return Append<float>(tensor, out);
    case DataType::kFloat64:
      return Append<double>(tensor, out);
    case DataType::kBfloat16:
      return Append<base::Bfloat16>(tensor, out);
    case DataType::kBytes:
      return AppendStrings(tensor, out);
  }
  return absl::InternalError("unknown datatype");
}

}  // namespace

absl::Status ReadTensorData(json::array data, size_t text_bytes,
                            base::ByteBudget* budget, Tensor* tensor) {
  const auto elements = infer::CountElements(tensor->shape);
  if (!elements.ok()) return elements.status();
  // Each has a character, and a comma before the next.
  if (*elements > text_bytes / 2) {
    return InvalidData(absl::StrCat("there are fewer than ", *elements,
                                    " elements for shape ",
                                    base::ShapeText(tensor->shape)));
  }
  switch (tensor->dtype) {
    case DataType::kBool:
      return ReadNumbers<bool>(data, *elements, budget, tensor);
    case DataType::kUint8:
      return ReadNumbers<uint8_t>(data, *elements, budget, tensor);
    case DataType::kUint16:
      return ReadNumbers<uint16_t>(data, *elements, budget, tensor);
    case DataType::kUint32:
      return ReadNumbers<uint32_t>(data, *elements, budget, tensor);
    case DataType::kUint64:
      return ReadNumbers<uint64_t>(data, *elements, budget, tensor);
    case DataType::kInt8:
      return ReadNumbers<int8_t>(data, *elements, budget, tensor);
    case DataType::kInt16:
      return ReadNumbers<int16_t>(data, *elements, budget, tensor);
    case DataType::kInt32:
      return ReadNumbers<int32_t>(data, *elements, budget, tensor);
    case DataType::kInt64:
      return ReadNumbers<int64_t>(data, *elements, budget, tensor);
    case DataType::kFloat16:
      return ReadNumbers<base::Float16>(data, *elements, budget, tensor);
    case DataType::kFloat32:
      return ReadNumbers<float>(data, *elements, budget, tensor);
    case DataType::kFloat64:
      return ReadNumbers<double>(data, *elements, budget, tensor);
    case DataType::kBfloat16:
      return ReadNumbers<base::Bfloat16>(data, *elements, budget, tensor);
    case DataType::kBytes:
      return ReadStrings(data, *elements, budget, tensor);
  }
  return absl::InternalError("unknown datatype");
}

absl::Status AppendTensorData(const Tensor& tensor, std::string* out) {
  out->push_back('[');
  absl::Status status = AppendElements(tensor, out);
  out->push_back(']');
  return status;
}

}  // namespace rest
