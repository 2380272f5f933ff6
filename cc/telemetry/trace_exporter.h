// Sends spans to a collector of OpenTelemetry: OTLP over HTTP with JSON.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
//
// Requests never wait for it: what is to be sent goes into a bounded buffer,
// and a thread of its own sends it. Where the collector is slow or away, spans
// are lost and counted.
#ifndef CC_TELEMETRY_TRACE_EXPORTER_H_
#define CC_TELEMETRY_TRACE_EXPORTER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/base/clock.h"
#include "cc/infer/core.h"
#include "cc/telemetry/http_client.h"

namespace telemetry {

struct TraceOptions {
  Url url;
  // Of the resource, as "service.name".
  std::vector<std::pair<std::string, std::string>> resource;

  // Spans that wait for company, that go together, and that may wait.
  base::Clock::duration gather = std::chrono::seconds(1);
  size_t batch_requests = 512;
  size_t max_bytes = 8 << 20;
  // For one answer; then, and where the collector asks for it, it is tried
  // again after `first_wait`, twice that and so on, or as Retry-After says.
  base::Clock::duration timeout = std::chrono::seconds(10);
  base::Clock::duration first_wait = std::chrono::seconds(1);
  base::Clock::duration most_wait = std::chrono::seconds(30);
  int attempts = 5;
};

// Of --otlp_endpoint, to which /v1/traces is appended, or where that is empty
// of OpenTelemetry's environment variables. nullopt: no traces are wanted.
// INVALID_ARGUMENT says what is wrong, and of which of them.
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
absl::StatusOr<std::optional<TraceOptions>> ReadTraceOptions(
    absl::string_view otlp_endpoint,
    const std::function<const char*(const char*)>& environment);

class TraceExporter : public infer::Tracer {
 public:
  explicit TraceExporter(TraceOptions options);
  ~TraceExporter() override;  // Stop(zero), where it has not been called
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  // False where there is no thread to be had.
  bool running() const { return running_; }

  void OnRequest(const infer::Access& access, infer::Clock::duration duration,
                 const base::TraceContext& trace) override;

  // Sends what is left, for at most so long. A thread that has not ended by
  // then is left behind, with what it needs.
  void Stop(base::Clock::duration at_most);

  // Spans that a collector took, and that were lost. Thread-safe.
  uint64_t sent() const;
  uint64_t dropped() const;

 private:
  struct State;
  const std::shared_ptr<State> state_;
  bool running_ = false;
};

// Of ReadTraceOptions. nullptr: no traces are wanted, or they cannot be sent
// where the environment says, which is no reason not to serve and is logged.
// RESOURCE_EXHAUSTED: there is no thread to be had.
absl::StatusOr<std::unique_ptr<TraceExporter>> StartTraces(
    absl::string_view otlp_endpoint,
    const std::function<const char*(const char*)>& environment);

}  // namespace telemetry

#endif  // CC_TELEMETRY_TRACE_EXPORTER_H_
