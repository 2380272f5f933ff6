// What browsers ask: pages of other origins, and the page at /.
#include <string>
#include <vector>

#include "cc/frontend/rest/rest_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOrigin[] = "https://app.example.com";

class BrowserTest : public RestTest {
 protected:
  void Allow(std::vector<std::string> origins) {
    options_.cors_origins = std::move(origins);
    rest_.emplace(&loop_, &core_, options_);
  }
  Answered Preflight(const char* path, const char* origin = kOrigin,
                     const char* method = "POST") {
    return Call("OPTIONS", path, "",
                {Header("Origin", origin),
                 Header("Access-Control-Request-Method", method),
                 Header("Access-Control-Request-Headers",
                        "content-type,inference-header-content-length")});
  }
};

TEST_F(BrowserTest, WithoutTheFlagNothingIsSaidToPages) {
  EXPECT_EQ(Preflight("/v2/models/m/infer").status(), 405);
  const Answered answered = Infer(kBody, {Header("Origin", kOrigin)});
  EXPECT_EQ(answered.status(), 200);
  EXPECT_EQ(answered.header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(answered.header("Vary"), "");
}

TEST_F(BrowserTest, PagesOfTheOriginsNamedMayAsk) {
  Allow({"http://localhost:3000", kOrigin});
  Answered answered = Preflight("/v2/models/m/infer");
  EXPECT_EQ(answered.status(), 204);
  EXPECT_EQ(answered.header("Access-Control-Allow-Origin"), kOrigin);
  EXPECT_EQ(answered.header("Access-Control-Allow-Methods"), "POST");
  EXPECT_EQ(answered.header("Access-Control-Allow-Headers"),
            "content-type,inference-header-content-length");
  EXPECT_EQ(answered.header("Access-Control-Max-Age"), "600");
  EXPECT_EQ(Preflight("/v2/models/m", kOrigin, "GET")
                .header("Access-Control-Allow-Methods"),
            "GET, HEAD");
  answered = Infer(kBody, {Header("Origin", kOrigin)});
  EXPECT_EQ(answered.header("Access-Control-Allow-Origin"), kOrigin);
  EXPECT_THAT(answered.header("Access-Control-Expose-Headers"),
              HasSubstr("Inference-Header-Content-Length"));
  EXPECT_EQ(answered.header("Vary"), "Origin");
  // Errors too, so that pages can tell them.
  answered = Infer("{", {Header("Origin", kOrigin)});
  EXPECT_EQ(answered.status(), 400);
  EXPECT_EQ(answered.header("Access-Control-Allow-Origin"), kOrigin);
  const auto refused =
      Head("POST", "/v2/nothing", 0, {Header("Origin", kOrigin)});
  EXPECT_THAT(refused->headers, testing::Contains(Header(
                                    "Access-Control-Allow-Origin", kOrigin)));
}

TEST_F(BrowserTest, OthersMayNot) {
  Allow({kOrigin});
  for (const char* other :
       {"http://app.example.com", "https://app.example.com:444",
        "https://app.example.com.evil.example", "https://APP.example.com",
        "null", "*", ""}) {
    const Answered preflight = Preflight("/v2/models/m/infer", other);
    EXPECT_EQ(preflight.status(), 403) << other;
    EXPECT_THAT(preflight.body(), HasSubstr("--cors_origins"));
    EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "");
    const Answered answered = Infer(kBody, {Header("Origin", other)});
    EXPECT_EQ(answered.header("Access-Control-Allow-Origin"), "");
    EXPECT_EQ(answered.header("Vary"), "Origin");
  }
  EXPECT_EQ(Preflight("/v2/nothing").status(), 404);
  // No preflight: a client that tries methods.
  EXPECT_EQ(Call("OPTIONS", "/v2/models/m/infer").status(), 405);
}

TEST_F(BrowserTest, AnyoneMayWhereThatIsSaid) {
  Allow({"*"});
  EXPECT_EQ(Preflight("/v2/models/m/infer", "null")
                .header("Access-Control-Allow-Origin"),
            "*");
  EXPECT_EQ(Infer(kBody).header("Access-Control-Allow-Origin"), "*");
  EXPECT_THAT(rest_->Refuse({413, "too large"}).headers,
              testing::Contains(Header("Access-Control-Allow-Origin", "*")));
}

TEST_F(BrowserTest, AnOriginThatIsNoneIsTold) {
  for (const char* good :
       {"*", "null", "https://a.example", "http://localhost:3000",
        "http://[::1]:8080", "chrome-extension://abc"}) {
    EXPECT_TRUE(Cors::CheckOrigin(good).ok()) << good;
  }
  for (const char* bad :
       {"", "a.example", "https://", "https://a.example/", "HTTPS://a.example",
        "https://a.example/page", "https://*.example", "://a", "https://a b",
        "https://user@a.example"}) {
    EXPECT_FALSE(Cors::CheckOrigin(bad).ok()) << bad;
  }
}

TEST_F(BrowserTest, ThePageHasAPolicy) {
  const Answered answered = Call("GET", "/");
  EXPECT_EQ(answered.status(), 200);
  EXPECT_EQ(answered.response->content_type, "text/html; charset=utf-8");
  EXPECT_THAT(answered.body(), HasSubstr("href=\"v2/models/stats\""));
  EXPECT_THAT(
      answered.header("Content-Security-Policy"),
      AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'sha256-"),
            HasSubstr("style-src 'sha256-"),
            HasSubstr("frame-ancestors 'none'"), Not(HasSubstr("unsafe"))));
  EXPECT_EQ(Call("POST", "/").status(), 405);
}

}  // namespace
}  // namespace rest
