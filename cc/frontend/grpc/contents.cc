// Elements as numbers, which InferTensorContents has.
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "cc/base/text.h"
#include "cc/base/wire.h"
#include "cc/frontend/grpc/decode.h"
#include "cc/infer/byte_elements.h"
#include "cc/infer/validate.h"

namespace grpc {
namespace {

using base::DataType;
using infer::Tensor;

constexpr const char* kFields[] = {"",
                                   "bool_contents",
                                   "int_contents",
                                   "int64_contents",
                                   "uint_contents",
                                   "uint64_contents",
                                   "fp32_contents",
                                   "fp64_contents",
                                   "bytes_contents"};

// The field that has the elements of a type; 0: none has.
uint32_t FieldOf(DataType type) {
  switch (type) {
    case DataType::kBool:
      return 1;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return 2;
    case DataType::kInt64:
      return 3;
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32:
      return 4;
    case DataType::kUint64:
      return 5;
    case DataType::kFloat32:
      return 6;
    case DataType::kFloat64:
      return 7;
    case DataType::kBytes:
      return 8;
    case DataType::kFloat16:
    case DataType::kBfloat16:
      break;
  }
  return 0;
}

// Whether the element has the value that was sent.
bool Fits(DataType type, uint64_t bits) {
  const auto number = static_cast<int32_t>(bits);
  switch (type) {
    case DataType::kInt8:
      return number == static_cast<int8_t>(number);
    case DataType::kInt16:
      return number == static_cast<int16_t>(number);
    case DataType::kUint8:
      return static_cast<uint32_t>(bits) <= std::numeric_limits<uint8_t>::max();
    case DataType::kUint16:
      return static_cast<uint32_t>(bits) <=
             std::numeric_limits<uint16_t>::max();
    default:
      return true;
  }
}

absl::Status NoRoom(size_t bytes) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "the server has no room for a tensor of ", bytes, " bytes just now"));
}

absl::Cord Adopt(std::shared_ptr<http::Block> block, size_t size) {
  const absl::string_view bytes(block->data.get(), size);
  return absl::MakeCordFromExternal(bytes, [block = std::move(block)] {});
}

class ContentsReader {
 public:
  ContentsReader(const absl::Cord& contents, http::BlockPool* pool,
                 Tensor* tensor, uint64_t elements)
      : contents_(contents),
        pool_(pool),
        tensor_(*tensor),
        elements_(elements),
        field_(FieldOf(tensor->dtype)),
        size_(base::SizeOf(tensor->dtype)) {}

  absl::Status Read() {
    if (field_ == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(base::NameOf(tensor_.dtype),
                       " travels as \"raw_input_contents\" only"));
    }
    // Each takes a byte at least: what is allocated follows what has come.
    if (contents_.size() < elements_) return TooFew();
    if (tensor_.dtype != DataType::kBytes && !IsFloat()) {
      room_ = pool_->Get(elements_ * size_);
      if (room_ == nullptr) return NoRoom(elements_ * size_);
    }
    wire::Reader reader(contents_);
    while (status_.ok() && reader.Next()) {
      if (reader.number() == field_) {
        ReadField(&reader);
      } else if (reader.number() < std::size(kFields)) {
        return absl::InvalidArgumentError(
            absl::StrCat("has \"", kFields[reader.number()], "\", but ",
                         base::NameOf(tensor_.dtype), " travels as \"",
                         kFields[field_], "\""));
      }
    }
    if (!status_.ok()) return status_;
    if (!reader.status().ok()) return reader.status();
    if (count_ != elements_) return TooFew();
    if (room_ != nullptr) tensor_.data = Adopt(std::move(room_), used_);
    return absl::OkStatus();
  }

 private:
  bool IsFloat() const {
    return tensor_.dtype == DataType::kFloat32 ||
           tensor_.dtype == DataType::kFloat64;
  }

  void ReadField(wire::Reader* reader) {
    if (tensor_.dtype == DataType::kBytes) return ReadBytes(reader);
    if (IsFloat()) return ReadFloats(reader);
    if (reader->type() == wire::Type::kVarint) {
      uint64_t bits = 0;
      if (reader->Read(&bits)) AddInteger(bits);
      return;
    }
    absl::Cord packed;
    if (reader->Read(&packed) &&
        !wire::ForEachVarint(packed,
                             [this](uint64_t b) { return AddInteger(b); })) {
      reader->Fail(absl::StrCat("\"", kFields[field_], "\" holds no numbers"));
    }
  }

  // Whether it was one of the elements.
  bool AddInteger(uint64_t bits) {
    if (count_ == elements_) return TooMany();
    if (!Fits(tensor_.dtype, bits)) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat("element ", count_, " is beyond what ",
                       base::NameOf(tensor_.dtype), " holds"));
      return false;
    }
    if (tensor_.dtype == DataType::kBool) bits = bits != 0;
    // Little-endian: the first bytes are the lowest.
    std::memcpy(room_->data.get() + used_, &bits, size_);
    used_ += size_;
    ++count_;
    return true;
  }

  // Packed, they are what a tensor has.
  void ReadFloats(wire::Reader* reader) {
    absl::Cord bytes;
    if (reader->type() == wire::Type::kBytes) {
      if (!reader->Read(&bytes)) return;
    } else {
      const bool as_wanted =
          reader->type() ==
          (size_ == 4 ? wire::Type::kFixed32 : wire::Type::kFixed64);
      uint64_t bits = 0;
      if (!as_wanted || !reader->ReadFixed(&bits)) {
        reader->Fail(absl::StrCat("\"", kFields[field_], "\" has elements of ",
                                  "another size"));
        return;
      }
      bytes.Append(
          absl::string_view(reinterpret_cast<const char*>(&bits), size_));
    }
    if (bytes.size() % size_ != 0) {
      reader->Fail(
          absl::StrCat("\"", kFields[field_], "\" ends within an element"));
      return;
    }
    count_ += bytes.size() / size_;
    if (count_ > elements_) {
      TooMany();
      return;
    }
    tensor_.data.Append(std::move(bytes));
  }

  void ReadBytes(wire::Reader* reader) {
    absl::Cord bytes;
    if (!reader->Read(&bytes)) return;
    if (count_ == elements_) {
      TooMany();
      return;
    }
    infer::AppendElement(std::move(bytes), &tensor_.data);
    ++count_;
  }

  bool TooMany() {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("\"", kFields[field_], "\" has more than the ", elements_,
                     " elements of shape ", base::ShapeText(tensor_.shape)));
    return false;
  }
  absl::Status TooFew() const {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", kFields[field_], "\" has fewer than the ", elements_,
                     " elements of shape ", base::ShapeText(tensor_.shape)));
  }

  const absl::Cord& contents_;
  http::BlockPool* const pool_;
  Tensor& tensor_;
  const uint64_t elements_;
  const uint32_t field_;
  const size_t size_;
  std::shared_ptr<http::Block> room_;
  size_t used_ = 0;
  uint64_t count_ = 0;
  absl::Status status_;
};

}  // namespace

absl::Status ReadContents(const absl::Cord& contents, http::BlockPool* pool,
                          Tensor* tensor) {
  const auto elements = infer::CountElements(tensor->shape);
  if (!elements.ok()) return elements.status();
  return ContentsReader(contents, pool, tensor, *elements).Read();
}

}  // namespace grpc
