#include "cc/frontend/http/grammar.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace http {
namespace {

// Sets of characters, as bits.
constexpr uint8_t kToken = 1;
constexpr uint8_t kValue = 2;
constexpr uint8_t kPath = 4;  // pchar and "/", without "%"
constexpr uint8_t kName = 8;  // reg-name, without "%"

constexpr bool In(absl::string_view set, char c) {
  for (const char member : set) {
    if (member == c) return true;
  }
  return false;
}

constexpr std::array<uint8_t, 256> MakeTable() {
  std::array<uint8_t, 256> table = {};
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool alnum = (i >= '0' && i <= '9') || (i >= 'a' && i <= 'z') ||
                       (i >= 'A' && i <= 'Z');
    uint8_t sets = 0;
    if (alnum || In("!#$%&'*+-.^_`|~", c)) sets |= kToken;
    if (i == '\t' || (i >= ' ' && i != 127)) sets |= kValue;
    if (alnum || In("-._~!$&'()*+,;=", c)) sets |= kPath | kName;
    if (In(":@/", c)) sets |= kPath;
    table[static_cast<size_t>(i)] = sets;
  }
  return table;
}

constexpr std::array<uint8_t, 256> kTable = MakeTable();

bool Is(uint8_t set, char c) {
  return (kTable[static_cast<unsigned char>(c)] & set) != 0;
}

bool All(uint8_t set, absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [set](char c) { return Is(set, c); });
}

bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<uint8_t>(c)); }

// Characters of a set, or percent-encoded ones.
bool AllEncoded(uint8_t set, absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3 || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) {
        return false;
      }
      i += 2;
    } else if (!Is(set, text[i])) {
      return false;
    }
  }
  return true;
}

void SkipOws(absl::string_view* text) {
  text->remove_prefix(std::min(text->find_first_not_of(" \t"), text->size()));
}

bool ConsumeToken(absl::string_view* text) {
  size_t size = 0;
  while (size < text->size() && Is(kToken, (*text)[size])) ++size;
  text->remove_prefix(size);
  return size > 0;
}

bool ConsumeQuoted(absl::string_view* text) {
  for (size_t i = 1; i < text->size(); ++i) {
    if ((*text)[i] == '"') {
      text->remove_prefix(i + 1);
      return true;
    }
    if ((*text)[i] == '\\') ++i;
    if (i >= text->size() || !Is(kValue, (*text)[i])) return false;
  }
  return false;
}

}  // namespace

bool IsTokenChar(char c) { return Is(kToken, c); }

bool IsToken(absl::string_view text) {
  return !text.empty() && All(kToken, text);
}

bool IsFieldValue(absl::string_view text) { return All(kValue, text); }

absl::string_view StripOws(absl::string_view text) {
  SkipOws(&text);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

bool ListHas(absl::string_view list, absl::string_view token) {
  for (const absl::string_view item : absl::StrSplit(list, ',')) {
    if (absl::EqualsIgnoreCase(StripOws(item), token)) return true;
  }
  return false;
}

bool IsHost(absl::string_view text) {
  size_t end = 0;
  if (absl::StartsWith(text, "[")) {
    end = text.find(']');
    if (end == text.npos || end < 3) return false;
    // IPv6 with IPv4 at its end, or a version to come: "[v7.x]".
    for (const char c : text.substr(1, end - 1)) {
      if (!Is(kName, c) && c != ':') return false;
    }
    ++end;
  } else {
    end = std::min(text.find(':'), text.size());
    if (!AllEncoded(kName, text.substr(0, end))) return false;
  }
  text.remove_prefix(end);
  if (text.empty()) return true;
  if (text[0] != ':') return false;
  text.remove_prefix(1);
  return text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<uint8_t>(c));
         });
}

bool IsOriginForm(absl::string_view text) {
  if (text.empty() || text[0] != '/') return false;
  const size_t query = text.find('?');
  if (!AllEncoded(kPath, text.substr(0, query))) return false;
  if (query == text.npos) return true;
  // A query may have further "?".
  for (const absl::string_view part :
       absl::StrSplit(text.substr(query + 1), '?')) {
    if (!AllEncoded(kPath, part)) return false;
  }
  return true;
}

bool IsChunkExtensions(absl::string_view text) {
  while (!text.empty()) {
    SkipOws(&text);
    if (!absl::ConsumePrefix(&text, ";")) return false;
    SkipOws(&text);
    if (!ConsumeToken(&text)) return false;
    const absl::string_view after_name = text;
    SkipOws(&text);
    if (!absl::ConsumePrefix(&text, "=")) {
      text = after_name;
      continue;
    }
    SkipOws(&text);
    const bool quoted = absl::StartsWith(text, "\"");
    if (!(quoted ? ConsumeQuoted(&text) : ConsumeToken(&text))) return false;
  }
  return true;
}

}  // namespace http
