#include "cc/server/json.h"

#include "absl/strings/str_cat.h"

namespace server {
namespace {

bool IsContinuation(char c) { return (c & 0xC0) == 0x80; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (c >> 6)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (c >> 12)));
    out->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (c >> 18)));
    out->push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

}  // namespace

size_t Utf8SequenceLength(absl::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  size_t length = 0;
  // Bounds of the second byte shut out overlong forms, surrogates and what
  // lies beyond U+10FFFF.
  uint8_t low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return length;
}

void AppendJsonString(absl::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  while (!text.empty()) {
    const char c = text.front();
    size_t length = 1;
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
          out->append("\\u00");
          out->push_back(kHex[(c >> 4) & 0xF]);
          out->push_back(kHex[c & 0xF]);
          break;
        }
        length = Utf8SequenceLength(text);
        if (length == 0) {
          out->append("\xEF\xBF\xBD");
          length = 1;
        } else {
          out->append(text.data(), length);
        }
    }
    text.remove_prefix(length);
  }
  out->push_back('"');
}

void JsonReader::Fail(absl::string_view what) {
  if (!ok()) return;
  status_ = absl::InvalidArgumentError(
      absl::StrCat("JSON, byte ", position_, ": ", what));
}

void JsonReader::Prefix(absl::string_view where) {
  if (ok()) return;
  status_ =
      absl::Status(status_.code(), absl::StrCat(where, status_.message()));
}

void JsonReader::SkipSpace() { position_ = AfterSpace(position_); }

size_t JsonReader::AfterSpace(size_t position) const {
  while (position < text_.size()) {
    const char c = text_[position];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') break;
    ++position;
  }
  return position;
}

bool JsonReader::NestedArrayNext() const {
  const size_t outer = AfterSpace(position_);
  if (outer >= text_.size() || text_[outer] != '[') return false;
  const size_t inner = AfterSpace(outer + 1);
  return inner < text_.size() && text_[inner] == '[';
}

bool JsonReader::Consume(char c) {
  SkipSpace();
  if (position_ >= text_.size() || text_[position_] != c) return false;
  ++position_;
  return true;
}

JsonReader::Kind JsonReader::Peek() {
  if (!ok()) return Kind::kNone;
  SkipSpace();
  if (position_ >= text_.size()) {
    Fail("the text ends where a value should be");
    return Kind::kNone;
  }
  switch (text_[position_]) {
    case 'n':
      return Kind::kNull;
    case 't':
    case 'f':
      return Kind::kBool;
    case '"':
      return Kind::kString;
    case '[':
      return Kind::kArray;
    case '{':
      return Kind::kObject;
    default:
      if (text_[position_] == '-' || IsDigit(text_[position_])) {
        return Kind::kNumber;
      }
      Fail("no value starts with this character");
      return Kind::kNone;
  }
}

bool JsonReader::Word(absl::string_view word) {
  if (text_.substr(position_, word.size()) != word) return false;
  position_ += word.size();
  return true;
}

bool JsonReader::Bool() {
  if (Peek() == Kind::kBool) {
    if (Word("true")) return true;
    if (Word("false")) return false;
  }
  Fail("expected true or false");
  return false;
}

absl::string_view JsonReader::Number() {
  if (Peek() != Kind::kNumber) {
    Fail("expected a number");
    return {};
  }
  const char* const begin = text_.data() + position_;
  const char* const end = text_.data() + text_.size();
  const char* p = begin;
  const auto digits = [&] {
    const char* const start = p;
    while (p < end && IsDigit(*p)) ++p;
    return p > start;
  };
  if (*p == '-') ++p;
  const bool zero = p < end && *p == '0';
  bool valid = digits();
  // A leading zero stands alone: 0 and 0.5, but not 00 or 01.
  valid = valid && !(zero && p - begin > (*begin == '-' ? 2 : 1));
  if (valid && p < end && *p == '.') {
    ++p;
    valid = digits();
  }
  if (valid && p < end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p < end && (*p == '+' || *p == '-')) ++p;
    valid = digits();
  }
  if (!valid) {
    Fail("malformed number");
    return {};
  }
  position_ += p - begin;
  return absl::string_view(begin, p - begin);
}

std::string JsonReader::String() {
  std::string out;
  if (Peek() != Kind::kString) {
    Fail("expected a string");
    return out;
  }
  ++position_;
  while (ok()) {
    if (position_ >= text_.size()) {
      Fail("the text ends inside a string");
      break;
    }
    const char c = text_[position_];
    if (c == '"') {
      ++position_;
      return out;
    }
    if (c == '\\') {
      ++position_;
      Escape(&out);
      continue;
    }
    if (static_cast<uint8_t>(c) < 0x20) {
      Fail("control character in a string");
      break;
    }
    const size_t length = Utf8SequenceLength(text_.substr(position_, 4));
    if (length == 0) {
      Fail("bytes that are no UTF-8 in a string");
      break;
    }
    out.append(text_.data() + position_, length);
    position_ += length;
  }
  return {};
}

bool JsonReader::HexUnit(uint32_t* unit) {
  const absl::string_view hex = text_.substr(position_, 4);
  const auto [end, error] =
      std::from_chars(hex.data(), hex.data() + hex.size(), *unit, 16);
  if (hex.size() != 4 || error != std::errc() || end != hex.data() + 4) {
    return false;
  }
  position_ += 4;
  return true;
}

void JsonReader::Escape(std::string* out) {
  static constexpr absl::string_view kFrom = "\"\\/bfnrt";
  static constexpr absl::string_view kTo = "\"\\/\b\f\n\r\t";
  if (position_ >= text_.size()) return Fail("the text ends inside a string");
  const char c = text_[position_];
  if (const size_t i = kFrom.find(c); i != kFrom.npos) {
    ++position_;
    out->push_back(kTo[i]);
    return;
  }
  uint32_t unit = 0, second = 0;
  ++position_;
  if (c != 'u' || !HexUnit(&unit)) return Fail("unknown escape in a string");
  if (unit >= 0xD800 && unit < 0xDC00) {
    if (!Word("\\u") || !HexUnit(&second) || second < 0xDC00 ||
        second >= 0xE000) {
      return Fail("half of a surrogate pair in a string");
    }
    unit = 0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
  } else if (unit >= 0xDC00 && unit < 0xE000) {
    return Fail("half of a surrogate pair in a string");
  }
  AppendUtf8(unit, out);
}

void JsonReader::Enter(char open) {
  if (first_.size() >= kMaxDepth) return Fail("nested too deeply");
  if (!Consume(open)) {
    return Fail(open == '{' ? "expected an object" : "expected an array");
  }
  first_.push_back(true);
}

bool JsonReader::Next(char close) {
  if (!ok()) return false;
  if (Consume(close)) {
    first_.pop_back();
    return false;
  }
  if (!first_.back() && !Consume(',')) {
    Fail(absl::StrCat("expected , or ", std::string(1, close)));
    return false;
  }
  first_.back() = false;
  return true;
}

void JsonReader::EnterObject() {
  if (ok()) Enter('{');
}

void JsonReader::EnterArray() {
  if (ok()) Enter('[');
}

bool JsonReader::NextKey(std::string* key) {
  if (!Next('}')) return false;
  *key = String();
  if (ok() && !Consume(':')) Fail("expected : after a key");
  return ok();
}

bool JsonReader::NextElement() { return Next(']'); }

void JsonReader::Skip() {
  switch (Peek()) {
    case Kind::kNone:
      return;
    case Kind::kNull:
      if (!Word("null")) Fail("expected null");
      return;
    case Kind::kBool:
      Bool();
      return;
    case Kind::kNumber:
      Number();
      return;
    case Kind::kString:
      String();
      return;
    case Kind::kArray:
      EnterArray();
      while (NextElement()) Skip();
      return;
    case Kind::kObject: {
      std::string key;
      EnterObject();
      while (NextKey(&key)) Skip();
      return;
    }
  }
}

void JsonReader::End() {
  SkipSpace();
  if (position_ < text_.size()) Fail("text after the end of the value");
}

}  // namespace server
