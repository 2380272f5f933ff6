#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/copy_counter.h"
#include "cc/base/log.h"
#include "cc/frontend/rest/rest_fixture.h"
#include "cc/infer/fake_servable.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(RestTest, HealthAndMetadata) {
  EXPECT_EQ(Call("GET", "/v2/health/live").body(), "{\"live\":true}");
  EXPECT_EQ(Call("GET", "/v2/health/ready").body(), "{\"ready\":true}");
  EXPECT_EQ(Call("HEAD", "/v2/health/ready").status(), 200);
  EXPECT_THAT(Call("GET", "/v2").body(), HasSubstr("binary_tensor_data"));
  EXPECT_THAT(Call("GET", "/v2/models/m").body(),
              AllOf(HasSubstr(R"("versions":["1","2"])"),
                    HasSubstr(R"("platform":"fake")")));
  EXPECT_EQ(Call("GET", "/v2/models/m/versions/1").status(), 200);
  EXPECT_EQ(Call("GET", "/v2/models/m/ready").body(),
            R"({"name":"m","ready":true})");
  EXPECT_THAT(
      Call("POST", "/v2/repository/index").body(),
      AllOf(HasSubstr(R"("version":"2","state":"READY")"),
            HasSubstr(R"("state":"UNAVAILABLE","reason":"it is \"dam)")));
  EXPECT_THAT(Call("POST", "/v2/repository/index", R"({"ready":true})").body(),
              AllOf(HasSubstr("READY"), Not(HasSubstr("UNAVAILABLE"))));
  EXPECT_EQ(Call("POST", "/v2/repository/index", "x").status(), 400);
}

TEST_F(RestTest, InferJson) {
  const Answered answered = Infer(kBody);
  EXPECT_EQ(answered.status(), 200);
  EXPECT_EQ(answered.response->content_type, "application/json");
  EXPECT_EQ(answered.body(),
            R"({"model_name":"m","model_version":"2","id":"7","outputs":[)"
            R"({"name":"y","datatype":"FP32","shape":[1,2],"data":[2,4]}]})");
  EXPECT_THAT(Call("POST", "/v2/models/m/versions/1/infer", kBody).body(),
              HasSubstr(R"("model_version":"1")"));
  // As long as it is not sent.
  EXPECT_EQ(budget_.held(), answered.body().size());
}

TEST_F(RestTest, InferHalfPrecisionAsJson) {
  const Answered answered = Infer(
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})");
  EXPECT_EQ(answered.status(), 200);
  EXPECT_THAT(
      answered.body(),
      HasSubstr(
          R"({"name":"h","datatype":"FP16","shape":[1,2],"data":[0,0]}]})"));
}

TEST_F(RestTest, InferRaw) {
  const Answered answered =
      Infer(std::string(16, '\0'), {{"inference-header-content-length", "0"}});
  EXPECT_EQ(answered.status(), 200) << answered.body();
  EXPECT_EQ(answered.response->content_type, "application/octet-stream");
  EXPECT_EQ(
      std::stoul(answered.header("Inference-Header-Content-Length")) + 16 + 8,
      answered.response->body.size());
}

TEST_F(RestTest, BinaryTensorsAreCopiedNowhere) {
  // Gives back what it gets.
  infer::ModelInfo info = infer::FakeInfo("echo", "1");
  info.outputs = {info.inputs[0]};
  info.outputs[0].name = "y";
  info.max_batch_size = 0;
  const auto echo = std::make_shared<infer::FakeServable>(
      info, [](const infer::Request& request) {
        std::vector<infer::Tensor> outputs = request.inputs;
        outputs[0].name = "y";
        return absl::StatusOr<std::vector<infer::Tensor>>(outputs);
      });
  repository_.Add(echo);
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[10000,2],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":80000}}],)"
      R"("parameters":{"binary_data_output":true}})";
  http::Request request =
      Request("POST", "/v2/models/echo/infer", json + std::string(80000, 'x'),
              {{std::string("Inference-Header-Content-Length"),
                absl::StrCat(json.size())}});
  const char* const received = request.body.TryFlat()->data();
  const auto answered = std::make_shared<Answered>();
  base::copied_tensor_bytes = 0;
  rest_->Handle(std::move(request), std::make_shared<FakeReply>(answered));
  echo->RunAll();
  ASSERT_EQ(answered->status(), 200) << answered->body();
  EXPECT_EQ(base::copied_tensor_bytes, 0u);
  absl::string_view last;
  for (const auto chunk : answered->response->body.Chunks()) last = chunk;
  EXPECT_EQ(last.data(), received + json.size());
  EXPECT_EQ(last.size(), 80000u);
}

TEST_F(RestTest, RowsAreBounded) {
  const auto infer = [&](int64_t rows) {
    return Infer(std::string(static_cast<size_t>(rows) * 8, '\0'),
                 {{"inference-header-content-length", "0"}});
  };
  EXPECT_EQ(infer(4).status(), 200);
  const Answered answered = infer(5);
  EXPECT_EQ(answered.status(), 400);
  EXPECT_THAT(answered.body(), HasSubstr("has 5 rows; at most 4"));
}

TEST_F(RestTest, AnEmptyBatchHasAnEmptyAnswer) {
  const auto answered = Start(
      "POST", "/v2/models/m/infer",
      R"({"inputs":[{"name":"x","shape":[0,2],"datatype":"FP32","data":[]}]})");
  EXPECT_EQ(answered->status(), 200) << answered->body();
  EXPECT_THAT(answered->body(), HasSubstr(R"("shape":[0,2],"data":[])"));
  EXPECT_THAT(servable_->waiting(), IsEmpty());
}

TEST_F(RestTest, ErrorsHaveStatusAndText) {
  Answered answered = Infer("{");
  EXPECT_EQ(answered.status(), 400);
  EXPECT_THAT(answered.body(),
              StartsWith("{\"error\":\"the JSON is malformed: "));
  EXPECT_EQ(Infer("").status(), 400);
  EXPECT_EQ(Infer("{}").status(), 400);
  EXPECT_EQ(Infer(R"({"inputs":[]})").status(), 400);
  answered = Infer(
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[-1,2]}]})");
  EXPECT_EQ(answered.status(), 500);
  EXPECT_EQ(answered.body(), R"({"error":"it broke"})");
  answered = Infer(kBody, {Header("Content-Encoding", "br")});
  EXPECT_EQ(answered.status(), 415);
  EXPECT_EQ(answered.header("Accept-Encoding"), "gzip, deflate");
  for (const char* same : {"identity", "Identity", ""}) {
    EXPECT_EQ(Infer(kBody, {Header("Content-Encoding", same)}).status(), 200);
  }
  for (const char* size : {"x", "-1", "99999", "", "+5", " 5", "5 ", "5,5",
                           "18446744073709551616"}) {
    EXPECT_EQ(Infer(kBody, {Header("Inference-Header-Content-Length", size)})
                  .status(),
              400)
        << size;
  }
  EXPECT_EQ(Call("POST", "/v2/models/none/infer", kBody).status(), 404);
  EXPECT_EQ(Call("POST", "/v2/models/m/versions/3/infer", kBody).status(), 404);
  EXPECT_EQ(Call("GET", "/v2/models/m/versions/x").status(), 404);
  EXPECT_EQ(Call("GET", "/favicon.ico").status(), 404);
  answered = Call("GET", "/v2/models/m/infer");
  EXPECT_EQ(answered.status(), 405);
  EXPECT_EQ(answered.header("Allow"), "POST");
  EXPECT_EQ(Call("DELETE", "/v2").header("Allow"), "GET, HEAD");
}

TEST_F(RestTest, SecondHeadersAreForHttpToRefuse) {
  EXPECT_THAT(rest_->SingleHeaders(),
              testing::Contains("Inference-Header-Content-Length"));
}

TEST_F(RestTest, WhatAClientMakesUpIsToldBackWithinBounds) {
  const std::string name(100'000, 'x');
  const std::string bodies[] = {
      Call("GET", "/v2/models/" + name).body(),
      Call("GET", "/" + name).body(),
      Call(name, "/v2").body(),
      Infer(
          absl::StrCat(R"({"inputs":[{"name":")", name.substr(0, 9000),
                       R"(","shape":[1,2],"datatype":"FP32","data":[1,2]}]})"))
          .body(),
      Infer(absl::StrCat(R"({"inputs":[{"name":"x","datatype":")",
                         name.substr(0, 9000), "\"}]}"))
          .body(),
      Infer(kBody, {Header("Content-Encoding", name)}).body(),
      Infer(kBody, {Header("Inference-Header-Content-Length", name)}).body(),
      std::string(rest_->Refuse({413, name}).body)};
  for (const std::string& body : bodies) {
    EXPECT_THAT(body, StartsWith("{\"error\":\""));
    EXPECT_LT(body.size(), 2'100u) << body.substr(0, 100);
  }
  EXPECT_EQ(rest_->Refuse({413, "too \"large\""}).body,
            R"({"error":"too \"large\""})");
}

TEST_F(RestTest, TheHeadAloneRefuses) {
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 1000), std::nullopt);
  EXPECT_EQ(Head("GET", "/v2/health/live"), std::nullopt);
  EXPECT_EQ(Head("POST", "/v2/nothing")->status, 404);
  EXPECT_EQ(Head("POST", "/v2/models/none/infer", 1000)->status, 404);
  EXPECT_EQ(Head("PUT", "/v2/models/m/infer", 1000)->status, 405);
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 1000,
                 {Header("Content-Encoding", "zstd")})
                ->status,
            415);
  // What it comes to is not known yet.
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 100'001,
                 {Header("Content-Encoding", "gzip")}),
            std::nullopt);
  // JSON is bounded, binary data not.
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 100'001)->status, 413);
  EXPECT_THAT(
      std::string(Head("POST", "/v2/models/m/infer", 100'001)->body),
      HasSubstr("the JSON of the request has 100001 bytes; at most 100000 "
                "(--max_json_bytes)"));
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 1'000'000,
                 {Header("Inference-Header-Content-Length", "100001")})
                ->status,
            413);
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 1'000'000,
                 {Header("Inference-Header-Content-Length", "100000")}),
            std::nullopt);
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 1'000'000,
                 {Header("Inference-Header-Content-Length", "0")}),
            std::nullopt);
  core_.Close();
  EXPECT_EQ(Head("POST", "/v2/models/m/infer", 1000)->status, 503);
  EXPECT_EQ(Head("GET", "/v2/health/live"), std::nullopt);
  EXPECT_THAT(registry_.Text(),
              HasSubstr("model=\"m\",version=\"2\",code=\"503\"} 1\n"));
}

TEST_F(RestTest, LargeJsonIsReadElsewhere) {
  options_.max_json_bytes = 1 << 20;
  rest_.emplace(&loop_, &core_, options_);
  std::string body = R"({"parameters":{"ignored":")" +
                     std::string(20'000, 'x') + R"("},)" +
                     std::string(kBody).substr(1);
  auto answered = Start("POST", "/v2/models/m/infer", body);
  // Nobody waits for it meanwhile.
  EXPECT_EQ(answered->status(), 0);
  EXPECT_THAT(servable_->waiting(), IsEmpty());
  EXPECT_GE(budget_.held(), 12 * body.size());
  EXPECT_EQ(Call("GET", "/v2/health/live").status(), 200);
  Await([&] { return answered->response.has_value(); });
  EXPECT_THAT(answered->body(), HasSubstr("\"data\":[2,4]"));
  EXPECT_EQ(budget_.held(), answered->body().size());
  answered->response.reset();
  EXPECT_EQ(budget_.held(), 0u);

  body.pop_back();
  answered = Start("POST", "/v2/models/m/infer", body);
  Await([&] { return answered->response.has_value(); });
  EXPECT_EQ(answered->status(), 400);
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(RestTest, LargeAnswersAreWrittenElsewhere) {
  infer::ModelInfo info = infer::FakeInfo("m", "2");
  info.max_batch_size = 10'000;
  servable_ = std::make_shared<infer::FakeServable>(info);
  repository_.Add(servable_);
  std::string floats;
  for (int i = 0; i < 4'000; ++i) floats.append("\0\0\x80\x3F", 4);
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[2000,2],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":16000}}],"outputs":[{"name":"y"}]})";
  const auto answered = Start(
      "POST", "/v2/models/m/infer", json + floats,
      {Header("Inference-Header-Content-Length", absl::StrCat(json.size()))});
  RunAll();
  EXPECT_EQ(answered->status(), 0);
  Await([&] { return answered->response.has_value(); });
  EXPECT_EQ(answered->status(), 200);
  EXPECT_THAT(answered->body(), HasSubstr("\"data\":[2,2,2,2"));
}

TEST_F(RestTest, MemoryForJsonIsBounded) {
  // As if others held it.
  ASSERT_TRUE(budget_.Take(budget_.limit() - 1'000));
  Answered answered = Infer(kBody);
  EXPECT_EQ(answered.status(), 503);
  EXPECT_EQ(answered.header("Retry-After"), "1");
  EXPECT_EQ(Infer(std::string(16, '\0'),
                  {Header("Inference-Header-Content-Length", "0")})
                .status(),
            200);
  budget_.Release(budget_.limit() - 1'000);
  EXPECT_EQ(budget_.held(), 0u);

  // What would never fit is not to be tried again.
  base::ByteBudget small(1'000);
  infer::Core core(&repository_, &registry_, &small);
  rest_.emplace(&loop_, &core, options_);
  answered = Infer(kBody);
  EXPECT_EQ(answered.status(), 413);
  EXPECT_EQ(answered.header("Retry-After"), "");
}

TEST_F(RestTest, WhoGoesIsNotWaitedFor) {
  auto answered = Start("POST", "/v2/models/m/infer", kBody);
  ASSERT_EQ(servable_->waiting().size(), 1u);
  answered->gone();
  EXPECT_EQ(servable_->RunAll(), 0);
  EXPECT_EQ(answered->status(), 0);
  EXPECT_THAT(registry_.Text(), HasSubstr("version=\"2\",code=\"499\"} 1\n"));

  // While its JSON is read.
  const std::string body = R"({"later":")" + std::string(20'000, 'x') +
                           R"(",)" + std::string(kBody).substr(1);
  answered = Start("POST", "/v2/models/m/infer", body);
  answered->gone();
  Await([&] { return budget_.held() == 0; });
  EXPECT_THAT(servable_->waiting(), IsEmpty());
  EXPECT_EQ(answered->status(), 0);
}

TEST_F(RestTest, WhatIsGoneHoldsNothing) {
  std::weak_ptr<infer::Call> call;
  {
    const auto answered = Start("POST", "/v2/models/m/infer", kBody);
    call = servable_->waiting().front();
    answered->gone();
    servable_->RunAll();
  }
  EXPECT_TRUE(call.expired());
}

TEST_F(RestTest, ModelsMayEndAfterIt) {
  const std::string large = R"({"later":")" + std::string(20'000, 'x') +
                            R"(",)" + std::string(kBody).substr(1);
  const auto waiting = Start("POST", "/v2/models/m/infer", kBody);
  const auto being_read = Start("POST", "/v2/models/m/infer", large);
  rest_.reset();
  servable_->Fail(absl::UnavailableError("the model is unloaded"));
  waiting->gone();
  Await([&] { return true; });
  EXPECT_EQ(waiting->status(), 0);
  EXPECT_EQ(being_read->status(), 0);
  EXPECT_THAT(servable_->waiting(), IsEmpty());
}

TEST_F(RestTest, OverloadAndFailureAreToldApart) {
  const auto status = [&](const absl::Status& status, bool ran) {
    const auto answered = Start("POST", "/v2/models/m/infer", kBody);
    servable_->waiting().front()->timing.batch_calls = ran ? 1 : 0;
    servable_->Fail(status);
    return std::make_pair(answered->status(), answered->header("Retry-After"));
  };
  using Pair = std::pair<int, std::string>;
  EXPECT_EQ(status(absl::ResourceExhaustedError("full"), false),
            Pair(503, "1"));
  EXPECT_EQ(status(absl::UnavailableError("later"), false), Pair(503, "1"));
  EXPECT_EQ(status(absl::DeadlineExceededError("late"), false), Pair(504, ""));
  // The same request would come to the same end.
  EXPECT_EQ(status(absl::ResourceExhaustedError("memory"), true),
            Pair(500, ""));
  EXPECT_EQ(status(absl::InternalError("broken"), true), Pair(500, ""));
  EXPECT_EQ(status(absl::InvalidArgumentError("shapes"), true), Pair(400, ""));
}

TEST_F(RestTest, TimeoutAndPriorityReachTheModel) {
  Start("POST", "/v2/models/m/infer",
        R"({"parameters":{"timeout":1000,"priority":3},)" +
            std::string(kBody).substr(1));
  ASSERT_EQ(servable_->waiting().size(), 1u);
  const infer::Call& call = *servable_->waiting().front();
  EXPECT_EQ(call.request.priority, 3u);
  EXPECT_EQ(call.deadline, call.timing.arrival + std::chrono::milliseconds(1));
  RunAll();
}

TEST_F(RestTest, Drain) {
  const auto late = Start("POST", "/v2/models/m/infer", kBody);
  core_.BeginDrain();
  EXPECT_EQ(Call("GET", "/v2/health/live").status(), 200);
  EXPECT_EQ(Call("GET", "/v2/health/ready").status(), 503);
  EXPECT_EQ(Call("GET", "/v2/models/m/ready").status(), 503);
  EXPECT_EQ(Infer(kBody).status(), 200);
  core_.Close();
  EXPECT_EQ(Infer(kBody).status(), 503);
  EXPECT_EQ(late->status(), 200);
}

TEST_F(RestTest, ReadyWhenModelsAre) {
  repository_.set_ready(false);
  const Answered answered = Call("GET", "/v2/health/ready");
  EXPECT_EQ(answered.status(), 503);
  EXPECT_THAT(answered.body(), HasSubstr("models are being loaded"));
  EXPECT_EQ(Call("GET", "/v2/models/m/ready").status(), 200);
}

TEST_F(RestTest, AModelThatStartsAgainIsNotReadyAndTheServerIs) {
  servable_->set_ready(absl::UnavailableError("model \"m\" starts again"));
  const Answered answered = Call("GET", "/v2/models/m/ready");
  EXPECT_EQ(answered.status(), 503);
  EXPECT_EQ(answered.body(), R"({"error":"model \"m\" starts again"})");
  EXPECT_EQ(Call("GET", "/v2/models/m/versions/1/ready").status(), 200);
  EXPECT_EQ(Call("GET", "/v2/health/ready").status(), 200);
  servable_->set_ready(absl::OkStatus());
  EXPECT_EQ(Call("GET", "/v2/models/m/ready").status(), 200);
}

TEST_F(RestTest, MetricsCountWhatHappened) {
  Infer(kBody);
  Infer("{");
  Call("GET", "/v2/models/strange");
  rest_->Refuse({413, ""});
  const Answered answered = Call("GET", "/metrics");
  EXPECT_EQ(answered.response->content_type,
            "text/plain; version=0.0.4; charset=utf-8");
  const auto line = [](absl::string_view labels, absl::string_view value) {
    return HasSubstr(
        absl::StrCat("\npaddle_server_requests_total{protocol=\"http\",",
                     labels, "} ", value, "\n"));
  };
  EXPECT_THAT(
      answered.body(),
      AllOf(line(R"(endpoint="infer",model="m",version="2",code="200")", "1"),
            line(R"(endpoint="infer",model="m",version="2",code="400")", "1"),
            line(R"(endpoint="model",model="",version="",code="404")", "1"),
            line(R"(endpoint="refused",model="",version="",code="413")", "1"),
            Not(HasSubstr("strange"))));
}

TEST_F(RestTest, AModelThatIsUnloadedMeanwhileStillAnswers) {
  const auto answered = Start("POST", "/v2/models/m/infer", kBody);
  repository_.Remove("m");
  EXPECT_EQ(Call("GET", "/v2/models/m").status(), 404);
  servable_->RunAll();
  EXPECT_EQ(answered->status(), 200);
  servable_.reset();
  EXPECT_THAT(registry_.Text(), Not(HasSubstr("model=\"m\"")));
}

TEST_F(RestTest, ConfigurationAsTritonTellsIt) {
  const Answered config = Call("GET", "/v2/models/m/config");
  EXPECT_EQ(config.status(), 200);
  EXPECT_THAT(config.body(), StartsWith(R"({"name":"m","platform":"fake",)"));
  EXPECT_THAT(
      config.body(),
      HasSubstr(
          R"("input":[{"name":"x","data_type":"TYPE_FP32","dims":[2]}])"));
  EXPECT_EQ(Call("GET", "/v2/models/nothing/config").status(), 404);
}

TEST_F(RestTest, StatisticsCountWhatWasAnswered) {
  EXPECT_EQ(Infer(kBody).status(), 200);
  EXPECT_EQ(Infer("{").status(), 400);
  const std::string told = Call("GET", "/v2/models/m/versions/2/stats").body();
  EXPECT_THAT(told,
              StartsWith(R"({"model_stats":[{"name":"m","version":"2",)"));
  EXPECT_THAT(told, HasSubstr(R"("inference_count":1,)"));
  EXPECT_THAT(told, HasSubstr(R"("success":{"count":1,)"));
  EXPECT_THAT(told, HasSubstr(R"("fail":{"count":1,)"));
  EXPECT_THAT(told, HasSubstr(R"("compute_infer":{"count":1,)"));
  // Of all versions; of all models.
  for (const char* path : {"/v2/models/m/stats", "/v2/models/stats"}) {
    const std::string all = Call("GET", path).body();
    EXPECT_THAT(all, HasSubstr(R"("version":"1","last_inference":0,)"));
    EXPECT_THAT(all, HasSubstr(R"("version":"2","last_inference":1)"));
  }
  EXPECT_EQ(Call("GET", "/v2/models/nothing/stats").status(), 404);
  EXPECT_EQ(Call("GET", "/v2/models/m/versions/9/stats").status(), 404);
}

TEST_F(RestTest, ClientsLoadAndUnloadOnlyWhereTheyMay) {
  const Answered refused = Call("POST", "/v2/repository/models/m/unload");
  EXPECT_EQ(refused.status(), 403);
  EXPECT_THAT(refused.body(), HasSubstr("--model_control=1"));
  EXPECT_EQ(Call("POST", "/v2/repository/models/m/load").status(), 403);

  infer::Core core(&repository_, &registry_, &budget_,
                   {/*model_control=*/true});
  rest_.emplace(&loop_, &core, options_);
  EXPECT_EQ(Call("GET", "/v2/repository/models/m/load").status(), 405);
  const auto load = Start("POST", "/v2/repository/models/m/load");
  EXPECT_EQ(load->status(), 0) << "answered before it was loaded";
  repository_.FinishLoad(absl::OkStatus());
  EXPECT_EQ(load->status(), 200);
  const auto fails = Start("POST", "/v2/repository/models/n/load", "{}");
  repository_.FinishLoad(absl::NotFoundError("there is none"));
  EXPECT_EQ(fails->status(), 404);
  const Answered changed =
      Call("POST", "/v2/repository/models/m/load",
           R"({"parameters":{"config":"{\"max_batch_size\":1}"}})");
  EXPECT_EQ(changed.status(), 501);
  EXPECT_THAT(changed.body(), HasSubstr("config"));
  EXPECT_EQ(Call("POST", "/v2/repository/models/m/load", "[").status(), 400);
  EXPECT_EQ(Call("POST", "/v2/repository/models/m/unload",
                 R"({"parameters":{"unload_dependents":true}})")
                .status(),
            200);
  EXPECT_EQ(Call("GET", "/v2/models/m").status(), 404);
  EXPECT_EQ(Call("POST", "/v2/repository/models/m/unload").status(), 404);
  rest_.reset();  // before its core
}

}  // namespace
}  // namespace rest
