#include "cc/telemetry/traced_request.h"

#include <algorithm>
#include <chrono>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cc/base/json.h"
#include "cc/base/text.h"

namespace telemetry {
namespace {

using infer::Clock;

// Of what clients have chosen.
constexpr size_t kMaxText = 500;
// Of a request with many pictures.
constexpr size_t kMaxStages = 48;

// SpanKind and StatusCode of opentelemetry/proto/trace/v1/trace.proto.
constexpr int kInternal = 1;
constexpr int kServer = 2;
constexpr int kError = 2;

// Flags of a span beside those of the trace: SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE
// and SPAN_FLAGS_CONTEXT_IS_REMOTE, of the parent.
constexpr int kSampled = 1;
constexpr int kKnowsRemote = 0x100;
constexpr int kRemote = 0x200;

std::string Cut(absl::string_view text) {
  return std::string(base::Clip(text, kMaxText));
}

void Comma(std::string* out) {
  if (!out->empty() && out->back() != '[') out->push_back(',');
}

void AppendNumber(absl::string_view key, int64_t value, std::string* out) {
  Comma(out);
  // 64 bits are a string in the JSON of Protocol Buffers.
  absl::StrAppend(out, "{\"key\":\"", key, "\",\"value\":{\"intValue\":\"",
                  value, "\"}}");
}

struct Ids {
  const base::TraceContext& trace;
  uint64_t span;
  uint64_t parent;  // 0: none
  bool remote;      // the parent
};

// All of a span up to its attributes.
void Begin(const Ids& ids, absl::string_view name, int kind, int64_t start,
           int64_t end, std::string* out) {
  Comma(out);
  absl::StrAppend(out, "{\"traceId\":\"", ids.trace.trace.Hex(),
                  "\",\"spanId\":\"", base::HexOf(ids.span), "\"");
  if (ids.parent != 0) {
    absl::StrAppend(out, ",\"parentSpanId\":\"", base::HexOf(ids.parent), "\"");
  }
  if (!ids.trace.parent.state.empty()) {
    out->append(",\"traceState\":");
    base::AppendJsonString(ids.trace.parent.state, out);
  }
  absl::StrAppend(
      out, ",\"flags\":", kSampled | kKnowsRemote | (ids.remote ? kRemote : 0),
      ",\"name\":");
  base::AppendJsonString(name, out);
  absl::StrAppend(out, ",\"kind\":", kind, ",\"startTimeUnixNano\":\"", start,
                  "\",\"endTimeUnixNano\":\"", std::max(start, end),
                  "\",\"attributes\":[");
}

// Whether a span of a server is an error: not what the client did wrong.
bool IsError(const TracedRequest& request) {
  if (request.protocol == infer::Protocol::kHttp) return request.code >= 500;
  switch (static_cast<absl::StatusCode>(request.code)) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

void AppendHttp(const TracedRequest& request, std::string* out) {
  AppendAttribute("http.request.method", request.method, out);
  AppendAttribute("url.scheme", "http", out);
  AppendAttribute("url.path", request.path, out);
  if (!request.route.empty()) AppendAttribute("http.route", request.route, out);
  AppendNumber("http.response.status_code", request.code, out);
  AppendNumber("http.request.body.size", static_cast<int64_t>(request.bytes_in),
               out);
  AppendNumber("http.response.body.size",
               static_cast<int64_t>(request.bytes_out), out);
}

void AppendGrpc(const TracedRequest& request, std::string* out) {
  absl::string_view path = request.path;
  absl::ConsumePrefix(&path, "/");
  const size_t slash = std::min(path.rfind('/'), path.size());
  AppendAttribute("rpc.system", "grpc", out);
  AppendAttribute("rpc.service", path.substr(0, slash), out);
  AppendAttribute("rpc.method", path.substr(std::min(slash + 1, path.size())),
                  out);
  AppendNumber("rpc.grpc.status_code", request.code, out);
}

std::string NameOf(const TracedRequest& request) {
  // Of few values: what clients may choose at will is no name.
  if (request.protocol == infer::Protocol::kHttp) {
    return request.route.empty()
               ? request.method
               : absl::StrCat(request.method, " ", request.route);
  }
  return request.route.empty() ? "unknown" : request.route.substr(1);
}

}  // namespace

TracedRequest::TracedRequest(const infer::Access& access,
                             Clock::duration duration,
                             const base::TraceContext& trace)
    : trace(trace),
      protocol(access.protocol),
      method(Cut(access.method)),
      route(access.route),
      path(Cut(access.path)),
      id(Cut(access.id)),
      request_id(access.caller != nullptr ? access.caller->request_id() : ""),
      error(Cut(access.error)),
      code(access.code),
      bytes_in(access.bytes_in),
      bytes_out(access.bytes_out) {
  using std::chrono::nanoseconds;
  end =
      nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  const auto at = [&](Clock::time_point time) {
    const int64_t before = nanoseconds(access.start + duration - time).count();
    return end - std::clamp<int64_t>(before, 0, nanoseconds(duration).count());
  };
  start = at(access.start);
  if (access.servable != nullptr) {
    model = access.servable->info().name;
    version = access.servable->info().version;
  }
  const infer::Timing* const timing = access.timing;
  computed = timing != nullptr && timing->batch_calls > 0;
  if (!computed) return;
  arrival = at(timing->arrival);
  begun = at(timing->arrival + timing->queue);
  finished =
      timing->finished == Clock::time_point() ? end : at(timing->finished);
  ended =
      std::min(at(timing->arrival + timing->queue + timing->compute), finished);
  rows = timing->rows;
  batch_rows = timing->batch_rows;
  batch_calls = timing->batch_calls;
  for (const infer::Stage& stage : timing->stages) {
    if (stages.size() == kMaxStages) break;
    stages.push_back({stage.name, at(stage.begin), at(stage.end)});
  }
}

size_t TracedRequest::bytes() const {
  size_t sum = sizeof(*this) + stages.size() * sizeof(Stage);
  for (const std::string* text : {&method, &route, &path, &model, &version, &id,
                                  &request_id, &error, &trace.parent.state}) {
    sum += text->size();
  }
  return sum;
}

void AppendAttribute(absl::string_view key, absl::string_view value,
                     std::string* out) {
  Comma(out);
  out->append("{\"key\":");
  base::AppendJsonString(key, out);
  out->append(",\"value\":{\"stringValue\":");
  base::AppendJsonString(value, out);
  out->append("}}");
}

void AppendSpans(const TracedRequest& request, std::string* out) {
  const base::TraceContext& trace = request.trace;
  Begin({trace, trace.span, trace.parent.span, trace.parent.valid()},
        NameOf(request), kServer, request.start, request.end, out);
  if (request.protocol == infer::Protocol::kHttp) {
    AppendHttp(request, out);
  } else {
    AppendGrpc(request, out);
  }
  for (const auto& [key, value] :
       {std::pair{"paddle.model.name", &request.model},
        std::pair{"paddle.model.version", &request.version},
        std::pair{"paddle.request.id", &request.id},
        std::pair{"http.request.header.x-request-id", &request.request_id}}) {
    if (!value->empty()) AppendAttribute(key, *value, out);
  }
  if (request.computed) AppendNumber("paddle.rows", request.rows, out);
  const bool error = IsError(request);
  if (error) AppendAttribute("error.type", absl::StrCat(request.code), out);
  out->append("]");
  if (error) {
    absl::StrAppend(out, ",\"status\":{\"code\":", kError, ",\"message\":");
    base::AppendJsonString(request.error, out);
    out->append("}");
  }
  out->append("}");
  if (!request.computed) return;
  const auto child = [&](absl::string_view name, int64_t start, int64_t end) {
    Begin({trace, base::NewSpanId(), trace.span, false}, name, kInternal, start,
          end, out);
    out->append("]}");
  };
  child("decode", request.start, request.arrival);
  child("queue", request.arrival, request.begun);
  const uint64_t compute = base::NewSpanId();
  Begin({trace, compute, trace.span, false}, "compute", kInternal,
        request.begun, request.ended, out);
  AppendNumber("paddle.batch.rows", request.batch_rows, out);
  AppendNumber("paddle.batch.requests", request.batch_calls, out);
  out->append("]}");
  for (const TracedRequest::Stage& stage : request.stages) {
    Begin({trace, base::NewSpanId(), compute, false}, stage.name, kInternal,
          stage.begin, stage.end, out);
    out->append("]}");
  }
  child("encode", request.finished, request.end);
}

}  // namespace telemetry
