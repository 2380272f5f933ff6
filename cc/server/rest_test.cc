#include "cc/server/rest.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "cc/server/fake_backend.h"
#include "cc/server/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kBody[] =
    R"({"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32",)"
    R"("data":[1,2]}],"outputs":[{"name":"y"}]})";

TEST(ParseRoute, KnowsThePaths) {
  const auto route = [](absl::string_view path) {
    const Route r = ParseRoute(path);
    return std::make_tuple(r.endpoint, r.model, r.version);
  };
  EXPECT_EQ(route("/v2"), std::make_tuple(Endpoint::kServer, "", ""));
  EXPECT_EQ(route("/v2/"), std::make_tuple(Endpoint::kServer, "", ""));
  EXPECT_EQ(route("/v2/health/live"), std::make_tuple(Endpoint::kLive, "", ""));
  EXPECT_EQ(route("/v2/health/ready"),
            std::make_tuple(Endpoint::kReady, "", ""));
  EXPECT_EQ(route("/metrics"), std::make_tuple(Endpoint::kMetrics, "", ""));
  EXPECT_EQ(route("/v2/repository/index"),
            std::make_tuple(Endpoint::kIndex, "", ""));
  EXPECT_EQ(route("/v2/models/a"), std::make_tuple(Endpoint::kModel, "a", ""));
  EXPECT_EQ(route("/v2/models/a%20b%2Fc/ready"),
            std::make_tuple(Endpoint::kModelReady, "a b/c", ""));
  EXPECT_EQ(route("/v2/models/a/versions/3"),
            std::make_tuple(Endpoint::kModel, "a", "3"));
  EXPECT_EQ(route("/v2/models/a/versions/3/infer"),
            std::make_tuple(Endpoint::kInfer, "a", "3"));
  for (const char* path :
       {"", "/", "*", "/v1", "/v2x", "/v2/health", "/v2/health/other",
        "/v2/models", "/v2/models//infer", "/v2/models/%zz", "/v2/models/%4",
        "/metrics/x", "/v2//", "/v2/models/a/versions//infer"}) {
    EXPECT_EQ(std::get<0>(route(path)), Endpoint::kNone) << path;
  }
  EXPECT_EQ(std::get<0>(route("/v2/models/a/other")), Endpoint::kNone);
  EXPECT_EQ(std::get<0>(route("/v2/models/a/versions/1/infer/x")),
            Endpoint::kNone);
}

constexpr int64_t kMaxBatchSize = 4;

class RestTest : public ::testing::Test {
 protected:
  RestTest() {
    SetLogLevel(LogLevel::kError);
    const fs::path root = fs::path(::testing::TempDir()) / "rest";
    fs::remove_all(root);
    fs::create_directories(root / "m" / "1");
    fs::create_directories(root / "m" / "2");
    repository_.emplace(
        *ModelRepository::Load(root.string(), FakeLoader(1, &gate_), 1));
    service_.emplace(&*repository_, &registry_, kMaxBatchSize);
    rest_.emplace(&*service_, &registry_);
  }
  ~RestTest() override { repository_->Stop(); }

  void Start(std::string method, std::string target, std::string body,
             std::vector<std::pair<std::string, std::string>> headers,
             HttpReply reply) {
    HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    request.headers = std::move(headers);
    rest_->Handle(std::move(request), std::move(reply));
  }
  HttpResponse Call(
      std::string method, std::string target, std::string body = "",
      std::vector<std::pair<std::string, std::string>> headers = {}) {
    HttpResponse response;
    absl::Notification done;
    Start(std::move(method), std::move(target), std::move(body),
          std::move(headers), [&](HttpResponse r) {
            response = std::move(r);
            done.Notify();
          });
    done.WaitForNotification();
    return response;
  }

  Gate gate_;
  Registry registry_;
  std::optional<ModelRepository> repository_;
  std::optional<Service> service_;
  std::optional<RestHandler> rest_;
};

TEST_F(RestTest, HealthAndMetadata) {
  EXPECT_EQ(Call("GET", "/v2/health/live").body, "{\"live\":true}");
  EXPECT_EQ(Call("GET", "/v2/health/ready").body, "{\"ready\":true}");
  EXPECT_EQ(Call("HEAD", "/v2/health/ready").status, 200);
  EXPECT_THAT(Call("GET", "/v2").body, HasSubstr("binary_tensor_data"));
  EXPECT_THAT(Call("GET", "/v2/models/m").body,
              AllOf(HasSubstr(R"("versions":["1","2"])"),
                    HasSubstr(R"("platform":"fake")")));
  EXPECT_EQ(Call("GET", "/v2/models/m/versions/1").status, 200);
  EXPECT_EQ(Call("GET", "/v2/models/m/ready").body,
            R"({"name":"m","ready":true})");
  EXPECT_THAT(Call("POST", "/v2/repository/index").body,
              HasSubstr(R"("version":"2","state":"READY")"));
}

TEST_F(RestTest, InferJson) {
  const HttpResponse response = Call("POST", "/v2/models/m/infer", kBody);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body,
            R"({"model_name":"m","model_version":"2","id":"7","outputs":[)"
            R"({"name":"y","datatype":"FP32","shape":[1,2],"data":[2,4]}]})");
  EXPECT_THAT(Call("POST", "/v2/models/m/versions/1/infer", kBody).body,
              HasSubstr(R"("model_version":"1")"));
}

TEST_F(RestTest, InferRaw) {
  const HttpResponse response =
      Call("POST", "/v2/models/m/infer", std::string(16, '\0'),
           {{"inference-header-content-length", "0"}});
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/octet-stream");
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].first, "Inference-Header-Content-Length");
  EXPECT_EQ(std::stoul(response.headers[0].second) + 16 + 8,
            response.body.size());
}

TEST_F(RestTest, RowsAreBounded) {
  const auto infer = [&](int64_t rows) {
    return Call("POST", "/v2/models/m/infer", std::string(rows * 8, '\0'),
                {{"inference-header-content-length", "0"}});
  };
  EXPECT_EQ(infer(kMaxBatchSize).status, 200);
  const HttpResponse response = infer(kMaxBatchSize + 1);
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("has 5 rows; at most 4"));
}

TEST_F(RestTest, ErrorsHaveStatusAndText) {
  const auto infer = [&](std::string body, auto... headers) {
    return Call("POST", "/v2/models/m/infer", std::move(body), {headers...});
  };
  using Header = std::pair<std::string, std::string>;
  HttpResponse response = infer("{");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body,
              StartsWith("{\"error\":\"the JSON is malformed: "));
  EXPECT_EQ(infer("").status, 400);
  EXPECT_EQ(infer("{}").status, 400);
  EXPECT_EQ(infer(R"({"inputs":[]})").status, 400);
  // The second output is FP16, which JSON cannot carry.
  response = infer(
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("FP16"));
  response = infer(
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[-1,2]}]})");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, R"({"error":"it broke"})");
  EXPECT_EQ(infer(kBody, Header("Content-Encoding", "gzip")).status, 415);
  EXPECT_EQ(infer(kBody, Header("Content-Encoding", "identity")).status, 200);
  for (const char* size : {"x", "-1", "99999", ""}) {
    EXPECT_EQ(
        infer(kBody, Header("Inference-Header-Content-Length", size)).status,
        400)
        << size;
  }
  EXPECT_EQ(Call("POST", "/v2/models/none/infer", kBody).status, 404);
  EXPECT_EQ(Call("POST", "/v2/models/m/versions/3/infer", kBody).status, 404);
  EXPECT_EQ(Call("GET", "/v2/models/m/versions/x").status, 404);
  EXPECT_EQ(Call("GET", "/favicon.ico").status, 404);
  response = Call("GET", "/v2/models/m/infer");
  EXPECT_EQ(response.status, 405);
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0], Header("Allow", "POST"));
  EXPECT_EQ(Call("DELETE", "/v2").headers.at(0), Header("Allow", "GET, HEAD"));
  // What a client makes up is not sent back at any length.
  response = Call("GET", "/v2/models/" + std::string(10'000, 'x'));
  EXPECT_EQ(response.status, 404);
  EXPECT_LT(response.body.size(), 3000u);
  EXPECT_EQ(rest_->Refuse({413, "too \"large\""}).body,
            R"({"error":"too \"large\""})");
}

TEST_F(RestTest, FullQueueAndDrain) {
  gate_.Close();
  std::vector<HttpResponse> late(2);
  std::vector<absl::Notification> done(2);
  for (int i = 0; i < 2; ++i) {
    Start("POST", "/v2/models/m/infer", kBody, {}, [&, i](HttpResponse r) {
      late[i] = std::move(r);
      done[i].Notify();
    });
  }
  gate_.AwaitWaiting(1);
  HttpResponse response = Call("POST", "/v2/models/m/infer", kBody);
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("queue is full"));
  EXPECT_EQ(response.headers.at(0).first, "Retry-After");
  EXPECT_THAT(Call("GET", "/metrics").body,
              AllOf(HasSubstr("paddle_server_queue_depth{model=\"m\","
                              "version=\"2\"} 1\n"),
                    HasSubstr("paddle_server_rejected_total{model=\"m\","
                              "version=\"2\",reason=\"queue_full\"} 1\n")));

  rest_->OnDrain();
  EXPECT_EQ(Call("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(Call("GET", "/v2/health/ready").status, 503);
  EXPECT_EQ(Call("GET", "/v2/models/m/ready").status, 503);
  EXPECT_EQ(Call("POST", "/v2/models/m/infer", kBody).status, 503);
  gate_.Open();
  for (int i = 0; i < 2; ++i) {
    done[i].WaitForNotification();
    EXPECT_EQ(late[i].status, 200);
  }
}

TEST_F(RestTest, MetricsCountWhatHappened) {
  Call("POST", "/v2/models/m/infer", kBody);
  Call("POST", "/v2/models/m/infer", "{");
  Call("GET", "/v2/models/strange");
  rest_->Refuse({413, ""});
  const HttpResponse response = Call("GET", "/metrics");
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  const auto line = [](absl::string_view labels, absl::string_view value) {
    return HasSubstr(absl::StrCat("\npaddle_server_requests_total{", labels,
                                  "} ", value, "\n"));
  };
  EXPECT_THAT(
      response.body,
      AllOf(line(R"(endpoint="infer",model="m",version="2",code="200")", "1"),
            line(R"(endpoint="infer",model="m",version="2",code="400")", "1"),
            line(R"(endpoint="model",model="",version="",code="404")", "1"),
            line(R"(endpoint="refused",model="",version="",code="413")", "1"),
            HasSubstr("paddle_server_compute_duration_seconds_count"
                      "{model=\"m\",version=\"2\"} 1\n"),
            HasSubstr("paddle_server_model_info{model=\"m\",version=\"1\","
                      "platform=\"fake\"} 1\n"),
            Not(HasSubstr("strange"))));
}

}  // namespace
}  // namespace server
