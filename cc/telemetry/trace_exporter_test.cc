// The exporter against a closed port; what a collector sees is tested with the
// whole server (//cc/server:trace_test).
#include "cc/telemetry/trace_exporter.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "cc/infer/fake_servable.h"
#include "cc/telemetry/traced_request.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simdjson.h"

namespace telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Environment = std::map<std::string, std::string>;

absl::StatusOr<std::optional<TraceOptions>> Read(absl::string_view flag,
                                                 const Environment& set = {}) {
  return ReadTraceOptions(flag, [&](const char* name) -> const char* {
    const auto found = set.find(name);
    return found != set.end() ? found->second.c_str() : nullptr;
  });
}

std::string Value(const TraceOptions& options, absl::string_view key) {
  for (const auto& [name, value] : options.resource) {
    if (name == key) return value;
  }
  return "";
}

TEST(ReadTraceOptions, WantsNoTracesUnlessTold) {
  EXPECT_FALSE(Read("")->has_value());
  EXPECT_FALSE(Read("", {{"OTEL_SDK_DISABLED", "true"},
                         {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"}})
                   ->has_value());
}

TEST(ReadTraceOptions, TakesTheFlagBeforeTheEnvironment) {
  const Environment set = {
      {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:1/otlp/"},
      {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:2/as/it/is"}};
  EXPECT_EQ((*Read("http://flag:3", set))->url.host, "flag");
  EXPECT_EQ((*Read("http://flag:3", set))->url.path, "/v1/traces");
  EXPECT_EQ((*Read("", set))->url.path, "/as/it/is");
  EXPECT_EQ((*Read("", {*set.begin()}))->url.path, "/otlp/v1/traces");
}

TEST(ReadTraceOptions, NamesTheService) {
  EXPECT_EQ(Value(**Read("http://h"), "service.name"), "paddle_server");
  EXPECT_EQ(Value(**Read("http://h"), "service.instance.id").size(), 32u);
  Environment set = {{"OTEL_RESOURCE_ATTRIBUTES",
                      "service.name=a, deployment.environment.name = b%2Cc,x"}};
  EXPECT_EQ(Value(**Read("http://h", set), "service.name"), "a");
  EXPECT_EQ(Value(**Read("http://h", set), "deployment.environment.name"),
            "b,c");
  set["OTEL_SERVICE_NAME"] = "ocr";
  EXPECT_EQ(Value(**Read("http://h", set), "service.name"), "ocr");
}

TEST(ReadTraceOptions, SaysWhichIsWrong) {
  const auto why = [](absl::string_view flag, const Environment& set) {
    return std::string(Read(flag, set).status().message());
  };
  EXPECT_THAT(why("https://h", {}), HasSubstr("--otlp_endpoint: "));
  EXPECT_THAT(why("", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "h:4318"}}),
              HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT: "));
  EXPECT_THAT(why("", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4317"},
                       {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}}),
              HasSubstr("OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\""));
}

infer::Access AccessOf(const infer::Timing* timing) {
  infer::Access access;
  access.endpoint = infer::Endpoint::kInfer;
  access.method = "POST";
  access.path = "/v2/models/m/infer";
  access.route = "/v2/models/{model}/infer";
  access.code = 200;
  access.start = infer::Clock::now() - std::chrono::seconds(1);
  access.timing = timing;
  return access;
}

TEST(TracedRequest, IsJsonWhateverClientsSend) {
  std::string evil("\0\"\\\n\xff", 5);
  evil.append(100'000, 'x');
  infer::Access access = AccessOf(nullptr);
  access.path = evil;
  access.method = evil;
  access.id = evil;
  access.error = evil;
  access.code = 500;
  const TracedRequest request(access, std::chrono::seconds(1),
                              base::TraceContext::Of({}));
  EXPECT_LT(request.bytes(), 4000u);
  std::string json = "[";
  AppendSpans(request, &json);
  AppendSpans(request, &json);
  json.append("]");
  EXPECT_LT(json.size(), 20'000u);
  simdjson::dom::parser parser;
  simdjson::dom::array spans;
  ASSERT_EQ(parser.parse(json).get(spans), simdjson::SUCCESS);
  EXPECT_EQ(spans.size(), 2u);
}

TEST(TracedRequest, HasTimesThatNestHoweverTheyWereMeasured) {
  infer::Timing timing;
  timing.batch_calls = 1;
  infer::Access access = AccessOf(&timing);
  timing.arrival = access.start - std::chrono::seconds(5);
  timing.queue = std::chrono::seconds(7);
  timing.compute = std::chrono::hours(1);
  timing.finished = access.start + std::chrono::milliseconds(10);
  const TracedRequest request(access, std::chrono::seconds(1),
                              base::TraceContext::Of({}));
  EXPECT_EQ(request.spans(), 5u);
  EXPECT_EQ(request.end - request.start, 1'000'000'000);
  for (const int64_t time :
       {request.arrival, request.begun, request.ended, request.finished}) {
    EXPECT_GE(time, request.start);
    EXPECT_LE(time, request.end);
  }
  EXPECT_LE(request.ended, request.finished);
}

TEST(TracedRequest, HasTheStagesOfAPipelineInWhatIsComputed) {
  infer::Timing timing;
  timing.batch_calls = 1;
  infer::Access access = AccessOf(&timing);
  timing.arrival = timing.finished = access.start;
  const auto after = [&](int ms) {
    return access.start + std::chrono::milliseconds(ms);
  };
  timing.stages = {{"detector", after(1), after(2)},
                   {"recogniser", after(2), after(5)}};
  const TracedRequest request(access, std::chrono::seconds(1),
                              base::TraceContext::Of({}));
  EXPECT_EQ(request.spans(), 7u);
  std::string json = "[";
  AppendSpans(request, &json);
  json.append("]");
  simdjson::dom::parser parser;
  simdjson::dom::array spans;
  ASSERT_EQ(parser.parse(json).get(spans), simdjson::SUCCESS);
  ASSERT_EQ(spans.size(), 7u);
  const auto text = [&](size_t i, const char* key) {
    return std::string(std::string_view(spans.at(i)[key]));
  };
  EXPECT_EQ(text(3, "name"), "compute");
  for (const size_t i : {4u, 5u}) {
    EXPECT_EQ(text(i, "parentSpanId"), text(3, "spanId"));
  }
  EXPECT_EQ(text(4, "name"), "detector");
  EXPECT_EQ(text(5, "name"), "recogniser");
  EXPECT_EQ(text(4, "endTimeUnixNano"), text(5, "startTimeUnixNano"));
  timing.stages.resize(1000, timing.stages[0]);
  EXPECT_LT(
      TracedRequest(access, std::chrono::seconds(1), base::TraceContext::Of({}))
          .spans(),
      100u);
}

TEST(TraceExporter, LosesAndCountsWhatNobodyTakes) {
  TraceOptions options;
  // Port 1 of loopback: nobody listens.
  options.url = {"127.0.0.1", 1, "/v1/traces"};
  options.gather = std::chrono::milliseconds(1);
  options.first_wait = std::chrono::milliseconds(1);
  options.attempts = 3;
  ::testing::internal::CaptureStdout();
  {
    TraceExporter exporter(options);
    ASSERT_TRUE(exporter.running());
    const infer::Access access = AccessOf(nullptr);
    for (int i = 0; i < 100; ++i) {
      exporter.OnRequest(access, std::chrono::seconds(1),
                         base::TraceContext::Of({}));
    }
    exporter.Stop(std::chrono::seconds(60));
    EXPECT_EQ(exporter.dropped(), 100u);
    EXPECT_EQ(exporter.sent(), 0u);
    exporter.OnRequest(access, std::chrono::seconds(1),
                       base::TraceContext::Of({}));
    EXPECT_EQ(exporter.dropped(), 101u);
  }
  const std::string log = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(log, HasSubstr("\"the collector takes no traces\""));
  EXPECT_THAT(log, HasSubstr("\"why\":\"Connection refused\""));
  // Told once.
  EXPECT_EQ(log.find("takes no"), log.rfind("takes no"));
}

TEST(TraceExporter, HoldsSoMuchAndNoMore) {
  TraceOptions options;
  options.url = {"127.0.0.1", 1, "/v1/traces"};
  options.gather = std::chrono::hours(1);
  options.batch_requests = 1'000'000;
  options.max_bytes = 100'000;
  TraceExporter exporter(options);
  const infer::Access access = AccessOf(nullptr);
  for (int i = 0; i < 10'000; ++i) {
    exporter.OnRequest(access, std::chrono::seconds(1),
                       base::TraceContext::Of({}));
  }
  EXPECT_GT(exporter.dropped(), 9'000u);
  EXPECT_LT(exporter.dropped(), 10'000u);
}

}  // namespace
}  // namespace telemetry
