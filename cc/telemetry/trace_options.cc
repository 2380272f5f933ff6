// Flags and environment -> where traces go.
#include <unistd.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cc/base/log.h"
#include "cc/base/text.h"
#include "cc/base/trace_context.h"
#include "cc/telemetry/trace_exporter.h"

namespace telemetry {
namespace {

using Resource = std::vector<std::pair<std::string, std::string>>;

constexpr char kEndpoint[] = "OTEL_EXPORTER_OTLP_ENDPOINT";
constexpr char kTracesEndpoint[] = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

std::string Decoded(absl::string_view text) {
  std::string out;
  base::PercentDecode(absl::StripAsciiWhitespace(text), &out);
  return out;
}

void Set(absl::string_view key, absl::string_view value, Resource* resource) {
  const auto known =
      std::find_if(resource->begin(), resource->end(),
                   [&](const auto& entry) { return entry.first == key; });
  if (known != resource->end()) {
    known->second = std::string(value);
  } else {
    resource->emplace_back(key, value);
  }
}

}  // namespace

absl::StatusOr<std::optional<TraceOptions>> ReadTraceOptions(
    absl::string_view otlp_endpoint,
    const std::function<const char*(const char*)>& environment) {
  const auto read = [&](const char* name) {
    const char* const value = environment(name);
    return absl::string_view(value != nullptr ? value : "");
  };
  std::string source = "--otlp_endpoint";
  absl::string_view endpoint = otlp_endpoint;
  if (endpoint.empty()) {
    if (absl::EqualsIgnoreCase(read("OTEL_SDK_DISABLED"), "true")) {
      return std::nullopt;
    }
    for (const char* name : {kTracesEndpoint, kEndpoint}) {
      if (!endpoint.empty()) continue;
      source = name;
      endpoint = read(name);
    }
    if (endpoint.empty()) return std::nullopt;
    for (const char* name : {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                             "OTEL_EXPORTER_OTLP_PROTOCOL"}) {
      const absl::string_view protocol = read(name);
      if (protocol.empty()) continue;
      if (absl::StartsWith(protocol, "http/")) break;
      return absl::InvalidArgumentError(absl::StrCat(
          name, " is ", base::Quote(protocol),
          ", but traces are sent by OTLP over HTTP only: give the collector's "
          "port for it, mostly 4318, with --otlp_endpoint"));
    }
  }
  auto url = ParseUrl(endpoint);
  if (!url.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": ", url.status().message()));
  }
  TraceOptions options;
  options.url = *std::move(url);
  // That of traces is used as it is.
  if (source != kTracesEndpoint) {
    std::string& path = options.url.path;
    absl::StrAppend(&path, path.back() == '/' ? "" : "/", "v1/traces");
  }
  char host[256] = "";
  if (gethostname(host, sizeof(host) - 1) == 0) {
    Set("host.name", host, &options.resource);
  }
  // For each process another one, however many share a host.
  Set("service.instance.id",
      absl::StrCat(base::HexOf(base::NewSpanId()),
                   base::HexOf(base::NewSpanId())),
      &options.resource);
  Set("service.name", "paddle_server", &options.resource);
  for (absl::string_view pair :
       absl::StrSplit(read("OTEL_RESOURCE_ATTRIBUTES"), ',')) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos) continue;
    Set(Decoded(pair.substr(0, equals)), Decoded(pair.substr(equals + 1)),
        &options.resource);
  }
  if (const absl::string_view name = read("OTEL_SERVICE_NAME"); !name.empty()) {
    Set("service.name", name, &options.resource);
  }
  return options;
}

absl::StatusOr<std::unique_ptr<TraceExporter>> StartTraces(
    absl::string_view otlp_endpoint,
    const std::function<const char*(const char*)>& environment) {
  const auto options = ReadTraceOptions(otlp_endpoint, environment);
  if (!options.ok()) {
    if (!otlp_endpoint.empty()) return options.status();
    base::Log(base::LogLevel::kWarning, "traces are not sent")
        .With("why", options.status().message());
    return nullptr;
  }
  if (!options->has_value()) return nullptr;
  auto traces = std::make_unique<TraceExporter>(**options);
  if (!traces->running()) {
    return absl::ResourceExhaustedError(
        "the thread that sends traces cannot be started: the limit of "
        "processes (ulimit -u, pids.max of the container) is reached");
  }
  base::Log(base::LogLevel::kInfo, "traces are sent")
      .With("host", (*options)->url.host)
      .With("port", (*options)->url.port)
      .With("path", (*options)->url.path);
  return traces;
}

}  // namespace telemetry
