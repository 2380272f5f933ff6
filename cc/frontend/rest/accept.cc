#include "cc/frontend/rest/accept.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cc/frontend/coding/coding.h"

namespace rest {
namespace {

using base::MetricsFormat;

// One element of the list: a media type with its parameters.
struct Accepted {
  std::optional<MetricsFormat> format;
  int weight = 1000;  // thousandths
};

Accepted Parse(absl::string_view element) {
  Accepted accepted;
  absl::string_view type, version, proto, encoding;
  for (absl::string_view part : absl::StrSplit(element, ';')) {
    part = absl::StripAsciiWhitespace(part);
    if (type.empty()) {
      type = part;
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> parameter =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    absl::string_view value = parameter.second;
    if (absl::ConsumePrefix(&value, "\"")) absl::ConsumeSuffix(&value, "\"");
    const auto is = [&](absl::string_view name) {
      return absl::EqualsIgnoreCase(parameter.first, name);
    };
    if (is("version")) version = value;
    if (is("proto")) proto = value;
    if (is("encoding")) encoding = value;
    if (is("q")) accepted.weight = coding::ParseWeight(value).value_or(0);
  }
  if (absl::EqualsIgnoreCase(type, "application/vnd.google.protobuf")) {
    if (proto == "io.prometheus.client.MetricFamily" &&
        encoding == "delimited") {
      accepted.format = MetricsFormat::kProtobuf;
    }
  } else if (absl::EqualsIgnoreCase(type, "application/openmetrics-text")) {
    if (version.empty() || version == "1.0.0") {
      accepted.format = MetricsFormat::kOpenMetrics;
    }
  } else if (absl::EqualsIgnoreCase(type, "text/plain") ||
             absl::EqualsIgnoreCase(type, "text/*") || type == "*/*") {
    if (version.empty() || version == "0.0.4") {
      accepted.format = MetricsFormat::kText;
    }
  }
  return accepted;
}

}  // namespace

MetricsFormat AcceptedMetrics(absl::string_view accept) {
  MetricsFormat best = MetricsFormat::kText;
  int weight = 0;
  for (const absl::string_view element : absl::StrSplit(accept, ',')) {
    const Accepted accepted = Parse(element);
    if (!accepted.format || accepted.weight <= weight) continue;
    best = *accepted.format;
    weight = accepted.weight;
  }
  return best;
}

}  // namespace rest
