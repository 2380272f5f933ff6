// Walks the fields of a serialized protobuf message, whatever its type.
#ifndef CC_ENGINE_PROTOBUF_READER_H_
#define CC_ENGINE_PROTOBUF_READER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace engine {

// One field of a protobuf message: a number, and a value that is either a
// varint or fixed number (in `number`) or delimited (in `bytes`).
struct Field {
  uint32_t id = 0;
  bool delimited = false;
  uint64_t number = 0;
  std::string_view bytes;
  std::string_view whole;  // as it stands in the message
};

// Iterates over the fields of one message. Damage ends the walk and clears
// ok().
class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }

  bool Next(Field* field) {
    const std::string_view begin = bytes_;
    if (!ok_ || bytes_.empty() || !NextValue(field)) return false;
    field->whole = begin.substr(0, begin.size() - bytes_.size());
    return true;
  }

 private:
  bool NextValue(Field* field) {
    uint64_t tag;
    if (!Varint(&tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return Fail();
    *field = Field();
    field->id = static_cast<uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0:
        return Varint(&field->number) || Fail();
      case 1:
        return Fixed(8, &field->number) || Fail();
      case 5:
        return Fixed(4, &field->number) || Fail();
      case 2: {
        uint64_t size;
        if (!Varint(&size) || size > bytes_.size()) return Fail();
        field->delimited = true;
        field->bytes = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return true;
      }
      default:  // Groups, which no message of Paddle has, and unused codes.
        return Fail();
    }
  }

  bool Fail() {
    ok_ = false;
    return false;
  }

  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool Fixed(size_t size, uint64_t* value) {
    if (bytes_.size() < size) return false;
    *value = 0;
    for (size_t i = 0; i < size; ++i) {
      *value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes_[i])) << 8 * i;
    }
    bytes_.remove_prefix(size);
    return true;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace engine

#endif  // CC_ENGINE_PROTOBUF_READER_H_
