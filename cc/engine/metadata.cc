#include "cc/engine/metadata.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"

namespace engine {
namespace {

constexpr int kMaxDepth = 100;

// Walks JSON without keeping it. (simdjson, which the server reads with, cannot
// be part of the Python module: Debian compiles its archive for programs.) It
// takes more than JSON is: NaN, which Python writes, and other bare words.
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
    if (!Take('{') || ++depth_ > kMaxDepth) return false;
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
    if (!Take('[') || ++depth_ > kMaxDepth) return false;
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

struct Told {
  std::string name;
  bool has_range = false;
  std::vector<std::string> range;  // as it is written; empty: not two numbers
};

// One member of "inputs".
bool ReadInput(Json* json, Told* told) {
  return json->Object([&](const std::string& key) {
    if (key == "name" && json->Next() == '"') return json->String(&told->name);
    if (key != "range" || json->Next() == 'n') return json->Skip();
    told->has_range = true;
    if (json->Next() != '[') return json->Skip();
    return json->Array([&] {
      if (json->Next() == '[' || json->Next() == '{' || json->Next() == '"') {
        return json->Skip();
      }
      return json->Word(&told->range.emplace_back());
    });
  });
}

absl::Status Narrow(const Told& told, std::vector<TensorSpec>* inputs) {
  const auto spec = std::find_if(
      inputs->begin(), inputs->end(),
      [&](const TensorSpec& one) { return one.name == told.name; });
  const auto invalid = [&](const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat("the range of input ", told.name, " ", what));
  };
  if (spec == inputs->end()) return invalid("is of no input of the program");
  ValueRange range;
  if (told.range.size() != 2 || !absl::SimpleAtoi(told.range[0], &range.min) ||
      !absl::SimpleAtoi(told.range[1], &range.max) || range.min > range.max) {
    return invalid("is not [LEAST, GREATEST], two whole numbers");
  }
  range.reason = "metadata.json";
  if (spec->range &&
      (range.min < spec->range->min || range.max > spec->range->max)) {
    return invalid(absl::StrCat("is [", range.min, ", ", range.max,
                                "], wider than what the program bears: [",
                                spec->range->min, ", ", spec->range->max, "] (",
                                spec->range->reason, ")"));
  }
  // The same range keeps its own reason.
  if (!spec->range || range.min != spec->range->min ||
      range.max != spec->range->max) {
    spec->range = std::move(range);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status NarrowRanges(std::string_view metadata,
                          std::vector<TensorSpec>* inputs) {
  Json json(metadata);
  std::vector<Told> all;
  const bool whole = json.Object([&](const std::string& key) {
    if (key != "inputs" || json.Next() != '[') return json.Skip();
    return json.Array([&] {
      if (json.Next() != '{') return json.Skip();
      return ReadInput(&json, &all.emplace_back());
    });
  }) && json.AtEnd();
  if (!whole || !base::IsUtf8({metadata.data(), metadata.size()})) {
    return absl::DataLossError("it is no JSON object");
  }
  for (const Told& told : all) {
    if (!told.has_range) continue;
    absl::Status status = Narrow(told, inputs);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status NarrowRangesByFile(const std::string& model_dir,
                                std::vector<TensorSpec>* inputs) {
  const std::string path = model_dir + "/metadata.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const absl::Status status = NarrowRanges(text.str(), inputs);
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

}  // namespace engine
