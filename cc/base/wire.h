// The wire format of Protocol Buffers, as far as the messages here have it:
// fields read out of a cord and written into a string. Bytes are looked at
// where they lie; a tensor's are never copied.
#ifndef CC_BASE_WIRE_H_
#define CC_BASE_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace wire {

enum class Type { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Reads a message field by field:
//
//   Reader reader(message);
//   while (reader.Next()) {
//     if (reader.number() == 1) reader.Read(&name);
//   }
//   return reader.status();
//
// A field that nobody reads is passed over. What a field is not is an error, as
// is whatever is malformed; after one nothing more is read.
class Reader {
 public:
  // `bytes` lives as long as the reader.
  explicit Reader(const absl::Cord& bytes);

  // Goes to the next field. False at the end, and after an error.
  bool Next();
  uint32_t number() const { return number_; }
  Type type() const { return type_; }

  // The field's value. False, and an error, where it is of another wire type.
  // Numbers are cut to the bits of the type, as by every reader of the format.
  bool Read(uint64_t* value);
  bool Read(int64_t* value);
  bool Read(bool* value);
  // A float's or double's bits, as the wire type says.
  bool ReadFixed(uint64_t* bits);
  // Shares the bytes.
  bool Read(absl::Cord* value);
  // Copies them. An error, and none, if they are no UTF-8.
  bool Read(std::string* value);

  // INVALID_ARGUMENT.
  const absl::Status& status() const { return status_; }
  // Makes it an error that the message holds what it may not. Gives false.
  bool Fail(absl::string_view what);

 private:
  bool Want(Type type, absl::string_view name);
  bool TakeVarint(uint64_t* value);
  bool TakeFixed(size_t size, uint64_t* value);
  bool TakeByte(uint8_t* byte);
  bool Skip();

  absl::Cord::CharIterator at_;
  size_t left_;
  uint32_t number_ = 0;
  Type type_ = Type::kVarint;
  bool unread_ = false;  // the value of this field
  absl::Status status_;
};

// Calls f(uint64_t) for each number of a packed field, until one gives false.
// Whether the bytes are such numbers.
template <typename F>
bool ForEachVarint(const absl::Cord& packed, F f) {
  uint64_t value = 0;
  int shift = 0;
  for (const absl::string_view chunk : packed.Chunks()) {
    for (const char c : chunk) {
      const auto byte = static_cast<uint8_t>(c);
      if (shift == 63 && byte > 1) return false;  // beyond 64 bits
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      if (byte >= 0x80) continue;
      if (!f(value)) return true;
      value = 0;
      shift = 0;
    }
  }
  return shift == 0;
}

// Appends fields to a string. Values that are zero or empty are left out, as
// proto3 has it.
class Writer {
 public:
  explicit Writer(std::string* out) : out_(*out) {}

  void Varint(uint32_t number, uint64_t value);
  void Double(uint32_t number, double value);
  void Bytes(uint32_t number, absl::string_view value);
  // A message, a map's entry or an element of a list: also if it is empty.
  void Message(uint32_t number, absl::string_view value);
  void Packed(uint32_t number, const int64_t* values, size_t count);
  // A message by itself, behind its size.
  void Delimited(absl::string_view value);
  // What stands before bytes that are not copied here.
  void Head(uint32_t number, size_t size);

 private:
  void Raw(uint64_t value);

  std::string& out_;
};

}  // namespace wire

#endif  // CC_BASE_WIRE_H_
