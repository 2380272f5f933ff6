// Walks JSON without keeping it.
#ifndef CC_ENGINE_JSON_READER_H_
#define CC_ENGINE_JSON_READER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace engine {

constexpr int kMaxJsonDepth = 100;

// (simdjson, which the server reads with, cannot be part of the Python module:
// Debian compiles its archive for programs.) It takes more than JSON is: NaN,
// which Python writes, and other bare words.
class Json {
 public:
  explicit Json(std::string_view text) : text_(text) {}

  bool AtEnd() {
    SkipSpaces();
    return text_.empty();
  }

  // member(key) reads the value.
  template <typename F>
  bool Object(F member) {
    if (!Take('{') || ++depth_ > kMaxJsonDepth) return false;
    if (!Take('}')) {
      do {
        std::string key;
        if (!String(&key) || !Take(':') || !member(key)) return false;
      } while (Take(','));
      if (!Take('}')) return false;
    }
    --depth_;
    return true;
  }

  template <typename F>
  bool Array(F element) {
    if (!Take('[') || ++depth_ > kMaxJsonDepth) return false;
    if (!Take(']')) {
      do {
        if (!element()) return false;
      } while (Take(','));
      if (!Take(']')) return false;
    }
    --depth_;
    return true;
  }

  bool String(std::string* value) {
    if (!Take('"')) return false;
    value->clear();
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') return true;
      if (c != '\\') {
        value->push_back(c);
        continue;
      }
      if (text_.empty()) return false;
      const char escaped = text_.front();
      text_.remove_prefix(1);
      static constexpr std::string_view kEscapes = "bfnrt";
      const size_t at = kEscapes.find(escaped);
      if (escaped == 'u') {
        if (!AppendUtf8(text_.substr(0, 4), value)) return false;
        text_.remove_prefix(4);
      } else {
        value->push_back(at == std::string_view::npos ? escaped
                                                      : "\b\f\n\r\t"[at]);
      }
    }
    return false;
  }

  // A number, true, false, null.
  bool Word(std::string* value) {
    SkipSpaces();
    size_t size = 0;
    while (size < text_.size() &&
           (absl::ascii_isalnum(static_cast<unsigned char>(text_[size])) ||
            text_[size] == '-' || text_[size] == '+' || text_[size] == '.')) {
      ++size;
    }
    *value = std::string(text_.substr(0, size));
    text_.remove_prefix(size);
    return size > 0;
  }

  char Next() {
    SkipSpaces();
    return text_.empty() ? '\0' : text_.front();
  }

  bool Skip() {
    std::string ignored;
    switch (Next()) {
      case '{':
        return Object([&](const std::string&) { return Skip(); });
      case '[':
        return Array([&] { return Skip(); });
      case '"':
        return String(&ignored);
      default:
        return Word(&ignored);
    }
  }

 private:
  void SkipSpaces() {
    const size_t at = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(at == std::string_view::npos ? text_.size() : at);
  }

  bool Take(char c) {
    SkipSpaces();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  // Halves of a pair become U+FFFD each: names that have any match nothing.
  // False unless there are four digits.
  static bool AppendUtf8(std::string_view digits, std::string* value) {
    uint32_t code = 0;
    // SimpleHexAtoi takes spaces and 0x as well.
    if (digits.size() != 4 ||
        !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit) ||
        !absl::SimpleHexAtoi(absl::string_view(digits.data(), digits.size()),
                             &code)) {
      return false;
    }
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    if (code < 0x80) {
      value->push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      value->push_back(static_cast<char>(0xc0 | code >> 6));
      value->push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
      value->push_back(static_cast<char>(0xe0 | code >> 12));
      value->push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
      value->push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
    return true;
  }

  std::string_view text_;
  int depth_ = 0;
};

}  // namespace engine

#endif  // CC_ENGINE_JSON_READER_H_
