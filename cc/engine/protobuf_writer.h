// Writes protobuf messages: fields are concatenated, messages nested by Bytes.
#ifndef CC_ENGINE_PROTOBUF_WRITER_H_
#define CC_ENGINE_PROTOBUF_WRITER_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace engine {

inline std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes += static_cast<char>(value | 0x80);
  }
  return bytes + static_cast<char>(value);
}

inline std::string Number(uint32_t id, int64_t value) {
  return Varint(id << 3) + Varint(static_cast<uint64_t>(value));
}

inline std::string Real(uint32_t id, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  std::string bytes = Varint(id << 3 | 5);
  for (int shift = 0; shift < 32; shift += 8) {
    bytes += static_cast<char>(bits >> shift);
  }
  return bytes;
}

inline std::string Bytes(uint32_t id, std::string_view value) {
  return Varint(id << 3 | 2) + Varint(value.size()) + std::string(value);
}

}  // namespace engine

#endif  // CC_ENGINE_PROTOBUF_WRITER_H_
