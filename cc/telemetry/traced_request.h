// One request as spans of OpenTelemetry: that of the server, and in it decode,
// queue, compute and encode; in compute the stages of a pipeline.
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/
// https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
#ifndef CC_TELEMETRY_TRACED_REQUEST_H_
#define CC_TELEMETRY_TRACED_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cc/base/trace_context.h"
#include "cc/infer/core.h"

namespace telemetry {

// A copy, within bounds, that outlives the request.
struct TracedRequest {
  // The request ends now.
  TracedRequest(const infer::Access& access, infer::Clock::duration duration,
                const base::TraceContext& trace);

  // Memory that it takes, about.
  size_t bytes() const;
  // That AppendSpans writes.
  size_t spans() const { return computed ? 5 + stages.size() : 1; }

  base::TraceContext trace;
  infer::Protocol protocol;
  std::string method, route, path;
  std::string model, version, id, request_id, error;
  int code;
  size_t bytes_in, bytes_out;
  int64_t start, end;  // nanoseconds since 1970
  // Of inference, where there was a run:
  bool computed;
  int64_t arrival = 0, begun = 0, ended = 0, finished = 0;  // likewise
  int64_t rows = 0, batch_rows = 0, batch_calls = 0;
  struct Stage {
    const char* name;
    int64_t begin, end;  // likewise
  };
  std::vector<Stage> stages;  // the first of them
};

// Appends its spans as elements of a list in OTLP's JSON, each with a comma
// before it where something stands before.
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
void AppendSpans(const TracedRequest& request, std::string* out);

// Appends "key" with a string as a KeyValue of OTLP's JSON, likewise.
void AppendAttribute(absl::string_view key, absl::string_view value,
                     std::string* out);

}  // namespace telemetry

#endif  // CC_TELEMETRY_TRACED_REQUEST_H_
