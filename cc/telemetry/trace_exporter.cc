#include "cc/telemetry/trace_exporter.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <new>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cc/base/log.h"
#include "cc/base/thread.h"
#include "cc/telemetry/traced_request.h"

namespace telemetry {
namespace {

using base::Clock;

// What may come right at another time (OTLP, "Retryable Response Codes").
bool IsRetryable(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

// Seconds or a date (RFC 9110, 10.2.3); nullopt: neither.
std::optional<Clock::duration> ParseRetryAfter(absl::string_view text) {
  uint32_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) return std::chrono::seconds(seconds);
  absl::Time time;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", text, &time, nullptr)) {
    return std::nullopt;
  }
  return std::max(Clock::duration::zero(),
                  absl::ToChronoNanoseconds(time - absl::Now()));
}

// {"partialSuccess":{"rejectedSpans":"3"}}, with or without quotes.
uint64_t RejectedSpans(absl::string_view body) {
  constexpr absl::string_view kKey = "\"rejectedSpans\"";
  const size_t at = body.find(kKey);
  if (at == body.npos) return 0;
  body.remove_prefix(at + kKey.size());
  body.remove_prefix(
      std::min(body.find_first_not_of(": \t\r\n\""), body.size()));
  uint64_t count = 0;
  const size_t end =
      std::min(body.find_first_not_of("0123456789"), body.size());
  return absl::SimpleAtoi(body.substr(0, end), &count) ? count : 0;
}

size_t SpansOf(const std::vector<TracedRequest>& requests) {
  size_t spans = 0;
  for (const TracedRequest& request : requests) spans += request.spans();
  return spans;
}

}  // namespace

struct TraceExporter::State {
  explicit State(TraceOptions given) : options(std::move(given)) {}

  const TraceOptions options;
  std::atomic<uint64_t> sent{0};
  std::atomic<uint64_t> dropped{0};

  absl::Mutex mutex;
  std::deque<TracedRequest> waiting ABSL_GUARDED_BY(mutex);
  size_t bytes ABSL_GUARDED_BY(mutex) = 0;  // of them
  bool stop ABSL_GUARDED_BY(mutex) = false;
  Clock::time_point end ABSL_GUARDED_BY(mutex);  // once it is to stop
  bool done ABSL_GUARDED_BY(mutex) = false;

  void Run();
  std::vector<TracedRequest> Gather();
  void Send(const std::vector<TracedRequest>& requests);
  absl::StatusOr<HttpAnswer> Try(absl::string_view body);
  bool Wait(Clock::duration duration);
  void Tell(const absl::Status& status);

  // Of the thread alone:
  bool failing = false;  // which the log has told
};

// Empty at the end.
std::vector<TracedRequest> TraceExporter::State::Gather() {
  absl::MutexLock lock(&mutex);
  const auto some = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return stop || !waiting.empty();
  };
  const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return stop || waiting.size() >= options.batch_requests;
  };
  mutex.Await(absl::Condition(&some));
  mutex.AwaitWithTimeout(absl::Condition(&due),
                         absl::FromChrono(options.gather));
  std::vector<TracedRequest> batch;
  while (!waiting.empty() && batch.size() < options.batch_requests) {
    bytes -= waiting.front().bytes();
    batch.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
  return batch;
}

absl::StatusOr<HttpAnswer> TraceExporter::State::Try(absl::string_view body) {
  Clock::time_point deadline = Clock::now() + options.timeout;
  {
    absl::MutexLock lock(&mutex);
    if (stop) deadline = std::min(deadline, end);
  }
  return Ask(options.url, body, deadline);
}

// False where it is to stop: then there is no more to wait for.
bool TraceExporter::State::Wait(Clock::duration duration) {
  absl::MutexLock lock(&mutex);
  if (stop) return false;
  mutex.AwaitWithTimeout(absl::Condition(&stop), absl::FromChrono(duration));
  return true;
}

void TraceExporter::State::Send(const std::vector<TracedRequest>& requests) {
  std::string body = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[";
  for (const auto& [key, value] : options.resource) {
    AppendAttribute(key, value, &body);
  }
  body.append(
      "]},\"scopeSpans\":[{\"scope\":{\"name\":\"paddle_server\"},\"spans\":[");
  for (const TracedRequest& request : requests) AppendSpans(request, &body);
  body.append("]}]}]}");

  const uint64_t spans = SpansOf(requests);
  Clock::duration wait = options.first_wait;
  for (int attempt = 1;; ++attempt) {
    const auto answer = Try(body);
    absl::Status status = answer.status();
    Clock::duration pause = wait;
    bool again = true;
    if (answer.ok() && answer->status / 100 == 2) {
      const uint64_t rejected = std::min(spans, RejectedSpans(answer->body));
      sent.fetch_add(spans - rejected, std::memory_order_relaxed);
      dropped.fetch_add(rejected, std::memory_order_relaxed);
      return Tell(rejected == 0 ? absl::OkStatus()
                                : absl::InternalError(answer->body));
    }
    if (answer.ok()) {
      status = absl::InternalError(answer->status_line);
      again = IsRetryable(answer->status);
      pause = ParseRetryAfter(answer->retry_after).value_or(wait);
    }
    Tell(status);
    if (!again || attempt >= options.attempts ||
        !Wait(std::min(pause, options.most_wait))) {
      break;
    }
    wait = std::min(2 * wait, options.most_wait);
  }
  dropped.fetch_add(spans, std::memory_order_relaxed);
}

// Of each change.
void TraceExporter::State::Tell(const absl::Status& status) {
  if (status.ok() != failing) return;
  failing = !status.ok();
  if (failing) {
    base::Log(base::LogLevel::kWarning, "the collector takes no traces")
        .With("host", options.url.host)
        .With("port", options.url.port)
        .With("path", options.url.path)
        .With("why", status.message());
  } else {
    base::Log(base::LogLevel::kInfo, "the collector takes traces again")
        .With("dropped", dropped.load(std::memory_order_relaxed));
  }
}

void TraceExporter::State::Run() {
  while (true) {
    const std::vector<TracedRequest> batch = Gather();
    if (batch.empty()) {
      absl::MutexLock lock(&mutex);
      if (!stop) continue;
      done = true;
      return;
    }
    try {
      Send(batch);
    } catch (const std::bad_alloc&) {
      dropped.fetch_add(SpansOf(batch), std::memory_order_relaxed);
    }
  }
}

TraceExporter::TraceExporter(TraceOptions options)
    : state_(std::make_shared<State>(std::move(options))) {
  std::thread thread = base::StartThread([state = state_] { state->Run(); });
  running_ = thread.joinable();
  if (running_) thread.detach();
}

TraceExporter::~TraceExporter() { Stop(Clock::duration::zero()); }

void TraceExporter::OnRequest(const infer::Access& access,
                              infer::Clock::duration duration,
                              const base::TraceContext& trace) {
  State& state = *state_;
  TracedRequest request(access, duration, trace);
  const size_t bytes = request.bytes();
  absl::MutexLock lock(&state.mutex);
  if (state.stop || state.bytes + bytes > state.options.max_bytes) {
    state.dropped.fetch_add(request.spans(), std::memory_order_relaxed);
    return;
  }
  state.bytes += bytes;
  state.waiting.push_back(std::move(request));
}

void TraceExporter::Stop(Clock::duration at_most) {
  State& state = *state_;
  absl::MutexLock lock(&state.mutex);
  if (!state.stop) state.end = Clock::now() + at_most;
  state.stop = true;
  if (!running_) return;
  state.mutex.AwaitWithTimeout(absl::Condition(&state.done),
                               absl::FromChrono(at_most));
}

uint64_t TraceExporter::sent() const {
  return state_->sent.load(std::memory_order_relaxed);
}

uint64_t TraceExporter::dropped() const {
  return state_->dropped.load(std::memory_order_relaxed);
}

}  // namespace telemetry
