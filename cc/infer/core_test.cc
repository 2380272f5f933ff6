#include "cc/infer/core.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cc/infer/fake_servable.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace infer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CoreTest : public ::testing::Test {
 protected:
  CoreTest() : servable_(std::make_shared<FakeServable>(FakeInfo("m", "2"))) {
    repository_.Add(servable_);
  }

  Request FloatRequest(int64_t rows) {
    Request request;
    request.inputs = {{"x",
                       base::DataType::kFloat32,
                       {rows, 2},
                       absl::Cord(std::string(rows * 8, '\0'))}};
    return request;
  }
  // The call, once it is over.
  std::shared_ptr<Call> Infer(Request request) {
    auto call =
        std::make_shared<Call>(std::move(request), [this](Call*) { ++done_; });
    core_.Infer(servable_, call);
    return call;
  }

  int done_ = 0;
  FakeRepository repository_;
  base::Registry registry_;
  base::ByteBudget budget_{1 << 20};
  Core core_{&repository_, &registry_, &budget_};
  std::shared_ptr<FakeServable> servable_;
};

TEST_F(CoreTest, RunsWhatFits) {
  const auto call = Infer(FloatRequest(3));
  EXPECT_EQ(done_, 0);
  EXPECT_EQ(servable_->RunAll(), 1);
  EXPECT_EQ(done_, 1);
  EXPECT_TRUE(call->status.ok()) << call->status;
  EXPECT_EQ(call->outputs.size(), 2u);
}

TEST_F(CoreTest, RefusesWhatDoesNotFitAtOnce) {
  const auto call = Infer(FloatRequest(5));
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(call->status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(servable_->waiting().empty());
}

TEST_F(CoreTest, AnswersAnEmptyBatchWithoutTheModel) {
  const auto call = Infer(FloatRequest(0));
  EXPECT_EQ(done_, 1);
  EXPECT_TRUE(servable_->waiting().empty());
  ASSERT_TRUE(call->status.ok()) << call->status;
  ASSERT_EQ(call->outputs.size(), 2u);
  EXPECT_EQ(call->outputs[1].shape, (std::vector<int64_t>{0, 2}));
}

TEST_F(CoreTest, DrainsAndCloses) {
  EXPECT_TRUE(core_.ready());
  repository_.set_ready(false);
  EXPECT_FALSE(core_.ready());
  EXPECT_EQ(core_.not_ready_reason(), "models are being loaded");
  repository_.set_ready(true);
  core_.BeginDrain();
  EXPECT_FALSE(core_.ready());
  EXPECT_EQ(core_.not_ready_reason(), "the server is shutting down");
  Infer(FloatRequest(1));
  EXPECT_EQ(servable_->RunAll(), 1);
  core_.Close();
  const auto call = Infer(FloatRequest(1));
  EXPECT_EQ(done_, 2);
  EXPECT_EQ(call->status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(servable_->waiting().empty());
  EXPECT_THAT(registry_.Text(),
              HasSubstr("paddle_server_rejected_total{model=\"m\",version="
                        "\"2\",reason=\"draining\"} 1\n"));
}

TEST_F(CoreTest, CountsByModelAndLetsGoOfIt) {
  Access access;
  access.endpoint = Endpoint::kInfer;
  access.servable = servable_;
  access.code = 200;
  access.start = Clock::now();
  core_.Record(access);
  core_.Record(access);
  access.code = 400;
  core_.Record(access);
  access.protocol = Protocol::kGrpc;
  core_.Record(access);
  access.servable = nullptr;
  access.code = 404;
  core_.Record(access);
  std::string text = registry_.Text();
  const auto line = [](absl::string_view labels, absl::string_view value) {
    return HasSubstr(absl::StrCat("\npaddle_server_requests_total{", labels,
                                  "} ", value, "\n"));
  };
  const char kOk[] =
      R"(protocol="http",endpoint="infer",model="m",version="2",code="200")";
  EXPECT_THAT(text, line(kOk, "2"));
  EXPECT_THAT(
      text,
      line(
          R"(protocol="http",endpoint="infer",model="m",version="2",code="400")",
          "1"));
  EXPECT_THAT(
      text,
      line(
          R"(protocol="grpc",endpoint="infer",model="m",version="2",code="400")",
          "1"));
  EXPECT_THAT(text, HasSubstr("paddle_server_request_duration_seconds_count{"
                              "protocol=\"http\",endpoint=\"infer\",model="
                              "\"m\",version=\"2\"} 3\n"));
  repository_.Remove("m");
  EXPECT_THAT(registry_.Text(), line(kOk, "2"));
  servable_.reset();
  text = registry_.Text();
  EXPECT_THAT(text, Not(HasSubstr("model=\"m\"")));
  EXPECT_THAT(
      text,
      line(R"(protocol="grpc",endpoint="infer",model="",version="",code="404")",
           "1"));
}

class Captured {
 public:
  Captured() { ::testing::internal::CaptureStdout(); }
  std::string Text() { return ::testing::internal::GetCapturedStdout(); }
};

TEST_F(CoreTest, LogsWithinBounds) {
  const std::string long_text(100'000, 'x');
  Timing timing;
  timing.batch_calls = 1;
  timing.batch_rows = 7;
  timing.compute = std::chrono::microseconds(12);
  Access access;
  access.method = long_text;
  access.path = long_text;
  access.id = long_text;
  access.error = long_text;
  access.servable = servable_;
  access.code = 500;
  access.failed = true;
  access.bytes_in = 11;
  access.start = Clock::now();
  access.timing = &timing;
  Captured captured;
  core_.Record(access);
  access.endpoint = Endpoint::kRefused;
  core_.Record(access);
  access.endpoint = Endpoint::kLive;
  access.failed = false;
  access.routine = true;
  core_.Record(access);
  const std::string text = captured.Text();
  EXPECT_LT(text.size(), 6'000u);
  EXPECT_THAT(text,
              HasSubstr("\"level\":\"warning\",\"msg\":\"request\",\""
                        "method\":\"xxxxxxxxxxxxxxxxxxxx...\",\"path\":"));
  EXPECT_THAT(text, HasSubstr("\"status\":500,\"bytes_in\":11,\"bytes_out\":0,"
                              "\"duration_us\":"));
  EXPECT_THAT(text, HasSubstr("\"model\":\"m\",\"version\":\"2\",\"id\":"));
  EXPECT_THAT(text, HasSubstr("\"compute_us\":12,\"rows\":0,\"batch_rows\":7,"
                              "\"error\":"));
  EXPECT_THAT(text, HasSubstr("\"msg\":\"refused\",\"status\":500,\"error\":"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST_F(CoreTest, LogsWhoAsks) {
  base::Caller caller;
  caller.OnHeader("traceparent",
                  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
  caller.OnHeader("x-request-id", "r-1");
  Access access;
  access.endpoint = Endpoint::kInfer;
  access.code = 200;
  access.start = Clock::now();
  access.id = "7";
  access.caller = &caller;
  Captured captured;
  core_.Record(access);
  EXPECT_THAT(captured.Text(),
              HasSubstr("\"id\":\"7\",\"request_id\":\"r-1\",\"trace_id\":"
                        "\"4bf92f3577b34da6a3ce929d0e0e4736\"}"));
}

// Of many requests: how many lines.
int64_t LinesOf(Core* core, const Access& access) {
  Captured captured;
  for (int i = 0; i < 1000; ++i) core->Record(access);
  const std::string text = captured.Text();
  return std::count(text.begin(), text.end(), '\n');
}

TEST_F(CoreTest, LogsAShareOfSuccessesAndAllErrors) {
  CoreOptions options;
  options.log_share = 0.5;
  Core half(&repository_, &registry_, &budget_, options);
  options.log_share = 0;
  Core none(&repository_, &registry_, &budget_, options);
  Access access;
  access.code = 200;
  access.start = Clock::now();
  EXPECT_EQ(LinesOf(&core_, access), 1000);
  EXPECT_EQ(LinesOf(&none, access), 0);
  const int64_t some = LinesOf(&half, access);
  EXPECT_GT(some, 300);
  EXPECT_LT(some, 700);
  // One trace is logged whole or not at all.
  for (const auto& [id, lines] : {std::pair{"7ffffffffffffffe", 1000},
                                  std::pair{"ffffffffffffffff", 0}}) {
    base::Caller caller;
    caller.OnHeader("traceparent", absl::StrCat("00-4bf92f3577b34da6", id,
                                                "-00f067aa0ba902b7-01"));
    access.caller = &caller;
    EXPECT_EQ(LinesOf(&half, access), lines);
  }
  access.caller = nullptr;
  access.code = 400;
  access.error = "wrong";
  EXPECT_EQ(LinesOf(&none, access), 1000);
  access.error = "";
  access.failed = true;
  EXPECT_EQ(LinesOf(&none, access), 1000);
}

}  // namespace
}  // namespace infer
