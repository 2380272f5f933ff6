#include "cc/frontend/rest/route.h"

#include <tuple>

#include "gtest/gtest.h"

namespace rest {
namespace {

using infer::Endpoint;

std::tuple<Endpoint, std::string, std::string> Parts(absl::string_view path) {
  const Route route = ParseRoute(path);
  return {route.endpoint, route.model, route.version};
}

TEST(ParseRoute, KnowsThePaths) {
  const auto is = [](absl::string_view path, Endpoint endpoint,
                     const char* model = "", const char* version = "") {
    EXPECT_EQ(Parts(path), std::make_tuple(endpoint, model, version)) << path;
  };
  is("/v2", Endpoint::kServer);
  is("/v2/", Endpoint::kServer);
  is("/v2/health/live", Endpoint::kLive);
  is("/v2/health/ready", Endpoint::kReady);
  is("/v2/health/ready/", Endpoint::kReady);
  is("/metrics", Endpoint::kMetrics);
  is("/metrics/", Endpoint::kMetrics);
  is("/v2/models/stats", Endpoint::kStatistics);
  is("/v2/models/stats/", Endpoint::kStatistics);
  is("/v2/repository/index", Endpoint::kIndex);
  is("/v2/models/a", Endpoint::kModel, "a");
  is("/v2/models/a/", Endpoint::kModel, "a");
  is("/v2/models/a%20b%2Fc/ready", Endpoint::kModelReady, "a b/c");
  is("/v2/models/\xE6\x95\xB0\xE5\xAD\x97", Endpoint::kModel,
     "\xE6\x95\xB0\xE5\xAD\x97");
  is("/v2/models/%E6%95%B0%E5%AD%97", Endpoint::kModel,
     "\xE6\x95\xB0\xE5\xAD\x97");
  is("/v2/models/a/versions/3", Endpoint::kModel, "a", "3");
  is("/v2/models/a/versions/3/", Endpoint::kModel, "a", "3");
  is("/v2/models/a/versions/3/infer", Endpoint::kInfer, "a", "3");
  is("/v2/models/a/infer/", Endpoint::kInfer, "a");
  is("/v2/models/versions/infer", Endpoint::kInfer, "versions");
}

TEST(ParseRoute, KnowsNoOthers) {
  for (const char* path : {"",
                           "*",
                           "/v1",
                           "/v2x",
                           "v2",
                           "/v2/health",
                           "/v2/health/other",
                           "/v2/models",
                           "/v2/models/",
                           "/v2/models//infer",
                           "/v2/models/%zz",
                           "/v2/models/%4",
                           "/v2/models/a%",
                           "/metrics/x",
                           "/v2//",
                           "/v2/models/a/versions//infer",
                           "/v2/models/a/versions/",
                           "/v2/models/a/versions",
                           "/v2/models/a/other",
                           "/v2/models/a//infer",
                           "/v2/models/a/infer//",
                           "/v2/models/a/versions/1/infer/x"}) {
    EXPECT_EQ(ParseRoute(path).endpoint, Endpoint::kNone) << path;
  }
}

}  // namespace
}  // namespace rest
