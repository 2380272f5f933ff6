// JSON in and out, as small as the protocol and the log need.
//
// JsonReader is a pull parser over one text: it never builds a tree, so a
// tensor of millions of numbers costs no memory but its own, and it is strict
// RFC 8259: no trailing commas, no comments, no NaN, valid UTF-8 only. Errors
// stick: after the first one every call returns an empty value, so a caller
// checks status() once, at the end:
//
//   JsonReader reader(text);
//   reader.EnterObject();
//   while (reader.NextKey(&key)) {
//     if (key == "id") {
//       id = reader.String();
//     } else {
//       reader.Skip();
//     }
//   }
//   reader.End();
//   if (!reader.ok()) return reader.status();
//
// Writing is by free functions that append to a string.
#ifndef CC_SERVER_JSON_H_
#define CC_SERVER_JSON_H_

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace server {

// Appends `text` in quotes. Bytes that are no UTF-8 become U+FFFD, so the
// result is valid JSON whatever came in.
void AppendJsonString(absl::string_view text, std::string* out);

// Appends the shortest decimal that reads back as the same value of the same
// type; false, and nothing appended, for NaN and infinities, which JSON lacks.
template <typename T>
bool AppendJsonNumber(T value, std::string* out) {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return false;
  }
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  out->append(digits, end);
  return true;
}

// Length of the UTF-8 sequence at the start of `text`, 0 if it is malformed.
size_t Utf8SequenceLength(absl::string_view text);

// Not thread-safe. `text` must outlive the reader.
class JsonReader {
 public:
  enum class Kind { kNone, kNull, kBool, kNumber, kString, kArray, kObject };
  static constexpr size_t kMaxDepth = 64;

  explicit JsonReader(absl::string_view text) : text_(text) {}

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  // Records an error at the present place, unless there is one already.
  void Fail(absl::string_view what);
  // Puts `where` in front of an error's text: "input \"x\": ".
  void Prefix(absl::string_view where);

  // Kind of the next value, by its first character; kNone at an error.
  Kind Peek();

  // Each reads one value of that kind; another kind is an error.
  bool Bool();
  std::string String();
  // The number's characters, checked against JSON's grammar.
  absl::string_view Number();
  // A number without fraction or exponent that fits T.
  template <typename T>
  T Integer();

  // Objects: EnterObject, then NextKey until it returns false; after true the
  // key's value must be read or skipped. Arrays likewise.
  void EnterObject();
  bool NextKey(std::string* key);
  void EnterArray();
  bool NextElement();
  // Whether the next value is an array whose first element is an array.
  bool NestedArrayNext() const;

  // Reads past one value of any kind, checking it all.
  void Skip();
  // Only white space may follow.
  void End();

  // Bytes read, and a way back to a place noted earlier at the same depth.
  size_t position() const { return position_; }
  size_t remaining() const { return text_.size() - position_; }
  void Seek(size_t position) { position_ = position; }

 private:
  void SkipSpace();
  size_t AfterSpace(size_t position) const;
  bool Consume(char c);
  bool Next(char close);
  void Enter(char open);
  bool Word(absl::string_view word);
  void Escape(std::string* out);
  bool HexUnit(uint32_t* unit);

  absl::string_view text_;
  size_t position_ = 0;
  absl::Status status_;
  // One entry an open array or object: true until its first element.
  std::vector<bool> first_;
};

template <typename T>
T JsonReader::Integer() {
  const absl::string_view token = Number();
  T value{};
  if (!ok()) return value;
  const auto [end, error] =
      std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size()) {
    Fail("number " + std::string(token) +
         " is no integer in the range wanted here");
    return T{};
  }
  return value;
}

}  // namespace server

#endif  // CC_SERVER_JSON_H_
