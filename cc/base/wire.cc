#include "cc/base/wire.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "cc/base/text.h"

namespace wire {
namespace {

constexpr int kMostVarintBytes = 10;

}  // namespace

Reader::Reader(const absl::Cord& bytes)
    : at_(bytes.char_begin()), left_(bytes.size()) {}

bool Reader::Fail(absl::string_view what) {
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("the message is malformed: ", what));
  }
  left_ = 0;
  unread_ = false;
  return false;
}

bool Reader::Next() {
  if (unread_ && !Skip()) return false;
  if (left_ == 0) return false;
  uint64_t tag = 0;
  if (!TakeVarint(&tag)) return false;
  const uint64_t number = tag >> 3;
  if (number == 0 || number > 0x1fffffff) {
    return Fail(absl::StrCat("a field has the number ", number));
  }
  number_ = static_cast<uint32_t>(number);
  switch (tag & 7) {
    case 0:
    case 1:
    case 2:
    case 5:
      type_ = static_cast<Type>(tag & 7);
      break;
    default:
      return Fail(absl::StrCat("field ", number_, " is of wire type ", tag & 7,
                               ", which no message here has"));
  }
  return unread_ = true;
}

bool Reader::TakeByte(uint8_t* byte) {
  if (left_ == 0) return Fail("it ends within a number");
  *byte = static_cast<uint8_t>(*at_);
  ++at_;
  --left_;
  return true;
}

bool Reader::TakeVarint(uint64_t* value) {
  const absl::string_view chunk =
      left_ > 0 ? absl::Cord::ChunkRemaining(at_) : absl::string_view();
  // Most lie in one chunk.
  if (chunk.size() >= kMostVarintBytes || chunk.size() >= left_) {
    const size_t most =
        std::min<size_t>({chunk.size(), left_, size_t{kMostVarintBytes}});
    uint64_t result = 0;
    for (size_t i = 0; i < most; ++i) {
      const auto byte = static_cast<uint8_t>(chunk[i]);
      if (i == 9 && byte > 1) break;
      result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        *value = result;
        absl::Cord::Advance(&at_, i + 1);
        left_ -= i + 1;
        return true;
      }
    }
    return Fail(most < kMostVarintBytes ? "it ends within a number"
                                        : "a number has more than 64 bits");
  }
  uint64_t result = 0;
  for (int i = 0; i < kMostVarintBytes; ++i) {
    uint8_t byte = 0;
    if (!TakeByte(&byte)) return false;
    if (i == 9 && byte > 1) break;
    result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return Fail("a number has more than 64 bits");
}

bool Reader::TakeFixed(size_t size, uint64_t* value) {
  *value = 0;
  for (size_t i = 0; i < size; ++i) {
    uint8_t byte = 0;
    if (!TakeByte(&byte)) return false;
    *value |= static_cast<uint64_t>(byte) << (8 * i);
  }
  return true;
}

bool Reader::Want(Type type, absl::string_view name) {
  if (!unread_) return false;
  if (type_ != type) {
    return Fail(absl::StrCat("field ", number_, " is no ", name));
  }
  unread_ = false;
  return true;
}

bool Reader::Read(uint64_t* value) {
  return Want(Type::kVarint, "whole number") && TakeVarint(value);
}

bool Reader::Read(int64_t* value) {
  uint64_t bits = 0;
  if (!Read(&bits)) return false;
  *value = static_cast<int64_t>(bits);
  return true;
}

bool Reader::Read(bool* value) {
  uint64_t bits = 0;
  if (!Read(&bits)) return false;
  *value = bits != 0;
  return true;
}

bool Reader::ReadFixed(uint64_t* bits) {
  if (type_ == Type::kFixed32) {
    return Want(Type::kFixed32, "") && TakeFixed(4, bits);
  }
  return Want(Type::kFixed64, "number of fixed size") && TakeFixed(8, bits);
}

bool Reader::Read(absl::Cord* value) {
  uint64_t size = 0;
  if (!Want(Type::kBytes, "bytes") || !TakeVarint(&size)) return false;
  if (size > left_) {
    return Fail(absl::StrCat("field ", number_, " says that it has ", size,
                             " bytes, but only ", left_, " follow"));
  }
  *value = absl::Cord::AdvanceAndRead(&at_, size);
  left_ -= size;
  return true;
}

bool Reader::Read(std::string* value) {
  uint64_t size = 0;
  if (!Want(Type::kBytes, "string") || !TakeVarint(&size)) return false;
  if (size > left_) {
    return Fail(absl::StrCat("field ", number_, " says that it has ", size,
                             " bytes, but only ", left_, " follow"));
  }
  value->clear();
  left_ -= size;
  while (size > 0) {
    const absl::string_view part =
        absl::Cord::ChunkRemaining(at_).substr(0, size);
    value->append(part.data(), part.size());
    absl::Cord::Advance(&at_, part.size());
    size -= part.size();
  }
  if (!base::IsUtf8(*value)) {
    value->clear();  // else an error might tell it
    return Fail(absl::StrCat("field ", number_, " is a string, but no UTF-8"));
  }
  return true;
}

bool Reader::Skip() {
  unread_ = false;
  uint64_t value = 0;
  switch (type_) {
    case Type::kVarint:
      return TakeVarint(&value);
    case Type::kFixed64:
      return TakeFixed(8, &value);
    case Type::kFixed32:
      return TakeFixed(4, &value);
    case Type::kBytes:
      unread_ = true;
      absl::Cord nobody;
      return Read(&nobody);
  }
  return false;
}

void Writer::Raw(uint64_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out_.push_back(static_cast<char>(value));
}

void Writer::Varint(uint32_t number, uint64_t value) {
  if (value == 0) return;
  Raw(uint64_t{number} << 3);
  Raw(value);
}

void Writer::Double(uint32_t number, double value) {
  uint64_t bits = 0;
  static_assert(sizeof(bits) == sizeof(value));
  std::memcpy(&bits, &value, sizeof(bits));
  if (bits == 0) return;
  Raw(uint64_t{number} << 3 | static_cast<uint64_t>(Type::kFixed64));
  for (int i = 0; i < 8; ++i)
    out_.push_back(static_cast<char>(bits >> (8 * i)));
}

void Writer::Delimited(absl::string_view value) {
  Raw(value.size());
  out_.append(value.data(), value.size());
}

void Writer::Head(uint32_t number, size_t size) {
  Raw(uint64_t{number} << 3 | static_cast<uint64_t>(Type::kBytes));
  Raw(size);
}

void Writer::Message(uint32_t number, absl::string_view value) {
  Head(number, value.size());
  out_.append(value.data(), value.size());
}

void Writer::Bytes(uint32_t number, absl::string_view value) {
  if (!value.empty()) Message(number, value);
}

void Writer::Packed(uint32_t number, const int64_t* values, size_t count) {
  if (count == 0) return;
  std::string packed;
  Writer writer(&packed);
  for (size_t i = 0; i < count; ++i) {
    writer.Raw(static_cast<uint64_t>(values[i]));
  }
  Message(number, packed);
}

}  // namespace wire
