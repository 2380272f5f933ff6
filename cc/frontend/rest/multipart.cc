#include "cc/frontend/rest/multipart.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rest {
namespace {

constexpr size_t kMaxBoundary = 70;  // RFC 2046, section 5.1.1

absl::Status NoForm(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the body is no multipart/form-data: ", why));
}

// Takes what stands before a semicolon that is in no quotes, and it.
absl::string_view TakeParameter(absl::string_view* text) {
  bool quoted = false;
  size_t end = 0;
  for (; end < text->size(); ++end) {
    const char c = (*text)[end];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\') ++end;
    if (!quoted && c == ';') break;
  }
  end = end < text->size() ? end : text->size();
  const absl::string_view taken =
      absl::StripAsciiWhitespace(text->substr(0, end));
  text->remove_prefix(end < text->size() ? end + 1 : end);
  return taken;
}

// Without quotes and what they escape.
std::string Unquoted(absl::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    return std::string(text);
  }
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out.push_back(text[i]);
  }
  return out;
}

// The value of `name=value` among parameters.
std::optional<std::string> Parameter(absl::string_view parameters,
                                     absl::string_view name) {
  while (!parameters.empty()) {
    const absl::string_view one = TakeParameter(&parameters);
    const size_t equals = one.find('=');
    if (equals == one.npos) continue;
    if (absl::EqualsIgnoreCase(
            absl::StripAsciiWhitespace(one.substr(0, equals)), name)) {
      return Unquoted(absl::StripAsciiWhitespace(one.substr(equals + 1)));
    }
  }
  return std::nullopt;
}

// Reads the lines of a part's head, up to the empty one. False where there is
// none.
bool ReadHead(absl::string_view* text, Part* part) {
  for (;;) {
    const size_t end = text->find("\r\n");
    if (end == text->npos) return false;
    absl::string_view line = text->substr(0, end);
    text->remove_prefix(end + 2);
    if (line.empty()) return true;
    const size_t colon = line.find(':');
    if (colon == line.npos ||
        !absl::EqualsIgnoreCase(line.substr(0, colon), "Content-Disposition")) {
      continue;
    }
    absl::string_view value = line.substr(colon + 1);
    TakeParameter(&value);  // form-data
    part->name = Parameter(value, "name").value_or("");
    part->file = Parameter(value, "filename").has_value();
  }
}

}  // namespace

absl::StatusOr<std::optional<std::string>> FormBoundary(
    absl::string_view content_type) {
  if (!absl::EqualsIgnoreCase(TakeParameter(&content_type),
                              "multipart/form-data")) {
    return std::nullopt;
  }
  std::optional<std::string> boundary = Parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kMaxBoundary) {
    return absl::InvalidArgumentError(
        "the Content-Type multipart/form-data has no boundary of 1 to 70 "
        "characters: let your client set this header by itself");
  }
  return boundary;
}

absl::StatusOr<std::vector<Part>> ReadForm(absl::Cord body,
                                           absl::string_view boundary,
                                           size_t max_parts) {
  const absl::string_view all = body.Flatten();
  const std::string first = absl::StrCat("--", boundary);
  const std::string between = absl::StrCat("\r\n--", boundary);
  absl::string_view rest = all;
  if (!absl::ConsumePrefix(&rest, first)) {
    const size_t at = rest.find(between);  // a preamble, which says nothing
    if (at == rest.npos) {
      return NoForm("the boundary that its Content-Type names is not there");
    }
    rest.remove_prefix(at + between.size());
  }
  std::vector<Part> parts;
  for (;;) {
    if (absl::StartsWith(rest, "--")) return parts;
    const size_t line = rest.find("\r\n");
    if (line == rest.npos) return NoForm("it ends amid a part");
    rest.remove_prefix(line + 2);
    Part part;
    if (!ReadHead(&rest, &part)) return NoForm("it ends amid a part's head");
    // Of a part without content the boundary's line break is the head's.
    const bool empty = absl::StartsWith(rest, first);
    const size_t end = empty ? 0 : rest.find(between);
    if (end == rest.npos) return NoForm("it ends amid a part");
    if (parts.size() == max_parts) {
      return NoForm(absl::StrCat("it has more than ", max_parts, " parts"));
    }
    part.content =
        body.Subcord(static_cast<size_t>(rest.data() - all.data()), end);
    parts.push_back(std::move(part));
    rest.remove_prefix(end + (empty ? first : between).size());
  }
}

}  // namespace rest
