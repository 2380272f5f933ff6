#include "cc/frontend/coding/coding.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace coding {
namespace {

// "gzip;q=0.5": the name, and its weight.
std::optional<std::pair<absl::string_view, int>> ParseAccepted(
    absl::string_view element) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(element, absl::MaxSplits(';', 1));
  const absl::string_view name = absl::StripAsciiWhitespace(parts.first);
  absl::string_view parameter = absl::StripAsciiWhitespace(parts.second);
  if (parameter.empty()) return std::pair(name, 1000);
  if (!absl::ConsumePrefix(&parameter, "q=") &&
      !absl::ConsumePrefix(&parameter, "Q=")) {
    return std::nullopt;
  }
  const auto weight = ParseWeight(parameter);
  if (!weight) return std::nullopt;
  return std::pair(name, *weight);
}

}  // namespace

std::optional<int> ParseWeight(absl::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1') ||
      (text.size() > 1 && text[1] != '.')) {
    return std::nullopt;
  }
  int weight = text[0] == '1' ? 1000 : 0;
  int unit = 100;
  for (const char c : text.substr(std::min<size_t>(2, text.size()))) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
    weight += unit * (c - '0');
    unit /= 10;
  }
  if (weight > 1000) return std::nullopt;
  return weight;
}

absl::string_view NameOf(Coding coding) {
  switch (coding) {
    case Coding::kGzip:
      return "gzip";
    case Coding::kDeflate:
      return "deflate";
    case Coding::kIdentity:
      break;
  }
  return "identity";
}

std::optional<Coding> CodingOf(absl::string_view name) {
  for (const Coding coding :
       {Coding::kIdentity, Coding::kGzip, Coding::kDeflate}) {
    if (absl::EqualsIgnoreCase(name, NameOf(coding))) return coding;
  }
  if (absl::EqualsIgnoreCase(name, "x-gzip")) return Coding::kGzip;
  return std::nullopt;
}

std::optional<Coding> ContentCoding(absl::string_view list) {
  Coding found = Coding::kIdentity;
  for (absl::string_view name : absl::StrSplit(list, ',')) {
    name = absl::StripAsciiWhitespace(name);
    if (name.empty()) continue;
    const auto coding = CodingOf(name);
    if (!coding) return std::nullopt;
    if (*coding == Coding::kIdentity) continue;
    if (found != Coding::kIdentity) return std::nullopt;
    found = *coding;
  }
  return found;
}

Coding AcceptedCoding(absl::string_view list) {
  std::optional<int> gzip, deflate, identity, others;
  for (const absl::string_view element : absl::StrSplit(list, ',')) {
    const auto accepted = ParseAccepted(element);
    if (!accepted) continue;
    const auto [name, weight] = *accepted;
    const auto coding = CodingOf(name);
    if (name == "*") others = weight;
    if (coding == Coding::kGzip) gzip = weight;
    if (coding == Coding::kDeflate) deflate = weight;
    if (coding == Coding::kIdentity) identity = weight;
  }
  // Only what is named, or meant by "*", is asked for; plain bytes are taken
  // wherever they are not refused, and liked least.
  const int of_gzip = gzip.value_or(others.value_or(0));
  const int of_deflate = deflate.value_or(others.value_or(0));
  const int best = std::max(of_gzip, of_deflate);
  if (best == 0 || identity.value_or(0) > best) return Coding::kIdentity;
  return of_gzip == best ? Coding::kGzip : Coding::kDeflate;
}

}  // namespace coding
