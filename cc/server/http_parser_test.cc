#include "cc/server/http_parser.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using State = HttpParser::State;
using ::testing::HasSubstr;

constexpr HttpParser::Limits kLimits = {512, 100};

// Feeds `text` in pieces of `step` bytes until a request or an error is there.
size_t Feed(HttpParser* parser, absl::string_view text, size_t step) {
  size_t at = 0;
  while (at < text.size() && parser->state() != State::kComplete &&
         parser->state() != State::kError) {
    at += parser->Feed(text.substr(at, step));
  }
  return at;
}

HttpError Error(absl::string_view text) {
  HttpError whole;
  for (const size_t step : {size_t{1}, text.size()}) {
    HttpParser parser(kLimits);
    Feed(&parser, text, step);
    EXPECT_EQ(parser.state(), State::kError) << text;
    whole = parser.error();
  }
  return whole;
}

TEST(HttpParser, ReadsRequestsWhateverThePieces) {
  const std::string text =
      "POST /v2/x?y=1 HTTP/1.1\r\nHost: h\r\nA:  b c\t\r\n"
      "content-length: 5\r\n\r\nhelloGET /next HTTP/1.1\r\nHost: h\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    HttpParser parser(kLimits);
    EXPECT_FALSE(parser.started());
    const size_t taken = Feed(&parser, text, step);
    ASSERT_EQ(parser.state(), State::kComplete) << step;
    HttpRequest request = parser.Take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/v2/x?y=1");
    EXPECT_EQ(request.path(), "/v2/x");
    EXPECT_EQ(*request.Header("a"), "b c");
    EXPECT_EQ(request.Header("b"), nullptr);
    EXPECT_EQ(request.body, "hello");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_FALSE(parser.started());
    Feed(&parser, absl::string_view(text).substr(taken), step);
    ASSERT_EQ(parser.state(), State::kComplete) << step;
    EXPECT_EQ(parser.Take().target, "/next");
  }
}

TEST(HttpParser, ReadsChunkedBodies) {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5\r\nhello\r\n06;name=\"x\"\r\n world\r\n0\r\nTrailer: x\r\n\r\nrest";
  for (size_t step = 1; step <= text.size(); ++step) {
    HttpParser parser(kLimits);
    EXPECT_EQ(Feed(&parser, text, step), text.size() - 4);
    ASSERT_EQ(parser.state(), State::kComplete) << parser.error().message;
    EXPECT_EQ(parser.Take().body, "hello world");
  }
}

TEST(HttpParser, KnowsWhetherToKeepTheConnection) {
  const auto keeps = [](absl::string_view version, absl::string_view header) {
    HttpParser parser(kLimits);
    Feed(
        &parser,
        absl::StrCat("GET / HTTP/", version, "\r\nHost: h\r\n", header, "\r\n"),
        1000);
    EXPECT_EQ(parser.state(), State::kComplete);
    return parser.Take().keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_FALSE(keeps("1.1", "Connection: x, Close\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
}

TEST(HttpParser, TellsWhenTheClientWaits) {
  HttpParser parser(kLimits);
  Feed(&parser,
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
       "Expect: 100-continue\r\n\r\n",
       1000);
  EXPECT_TRUE(parser.wants_continue());
  parser.Continued();
  EXPECT_FALSE(parser.wants_continue());
  Feed(&parser, "ab", 1);
  EXPECT_EQ(parser.state(), State::kComplete);
}

TEST(HttpParser, TakesAbsoluteTargetsAndEmptyLinesBefore) {
  HttpParser parser(kLimits);
  Feed(&parser, "\r\n\r\nGET http://h:1/v2?x HTTP/1.1\r\nHost: h:1\r\n\r\n", 3);
  ASSERT_EQ(parser.state(), State::kComplete);
  EXPECT_EQ(parser.Take().target, "/v2?x");
}

TEST(HttpParser, RefusesWhatIsMalformed) {
  const auto with = [](absl::string_view headers) {
    return Error(absl::StrCat("POST / HTTP/1.1\r\n", headers, "\r\n\r\n"));
  };
  EXPECT_EQ(Error("GET /\r\n\r\n").status, 400);
  EXPECT_EQ(Error("GET  / HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
  EXPECT_EQ(Error("GET / HTTP/1.1 \r\nHost: h\r\n\r\n").status, 400);
  EXPECT_EQ(Error("G(T / HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
  EXPECT_EQ(Error("GET x HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
  EXPECT_EQ(Error("GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
  EXPECT_EQ(Error("GET /\xC3\xA9 HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
  EXPECT_EQ(Error("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 505);
  EXPECT_EQ(Error("\x16\x03\x01 hello\r\n\r\n").status, 400);
  EXPECT_THAT(with("A: b").message, HasSubstr("Host"));
  EXPECT_THAT(with("Host: h\r\nHost: h").message, HasSubstr("Host"));
  EXPECT_EQ(with("Host: h\r\nA : b").status, 400);
  EXPECT_EQ(with("Host: h\r\n b").status, 400);
  EXPECT_EQ(with("Host: h\r\nnocolon").status, 400);
  EXPECT_EQ(with("Host: h\r\nA: b\nC: d").status, 400);
  EXPECT_EQ(with(absl::string_view("Host: h\r\nA: \0", 13)).status, 400);
  for (const char* length :
       {"-1", "+1", "1 1", "0x1", "", "1,1", "99999999999999999999999"}) {
    EXPECT_EQ(with(absl::StrCat("Host: h\r\nContent-Length: ", length)).status,
              400)
        << length;
  }
  EXPECT_EQ(with("Host: h\r\nContent-Length: 1\r\nContent-Length: 1").status,
            400);
  EXPECT_EQ(
      with("Host: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked").status,
      400);
  EXPECT_EQ(with("Host: h\r\nTransfer-Encoding: gzip, chunked").status, 501);
  EXPECT_EQ(with("Host: h\r\nExpect: more").status, 417);
}

TEST(HttpParser, RefusesMalformedChunks) {
  const auto chunks = [](absl::string_view body) {
    return Error(absl::StrCat(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        body));
  };
  EXPECT_EQ(chunks("x\r\n").status, 400);
  EXPECT_EQ(chunks("\r\n").status, 400);
  EXPECT_EQ(chunks("-1\r\n").status, 400);
  EXPECT_EQ(chunks("1\n").status, 400);
  EXPECT_EQ(chunks("1\r\nabcdefgh\r\n").status, 400);
  EXPECT_EQ(chunks("fffffffffffffffff\r\n").status, 400);
  EXPECT_EQ(chunks("1;" + std::string(2000, 'x')).status, 400);
}

TEST(HttpParser, BoundsHeadAndBody) {
  EXPECT_EQ(Error("GET /" + std::string(600, 'x')).status, 431);
  EXPECT_EQ(
      Error("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(600, 'x')).status,
      431);
  const HttpError error =
      Error("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
  EXPECT_EQ(error.status, 413);
  EXPECT_THAT(error.message, HasSubstr("exceeds the limit of 100 bytes"));
  EXPECT_EQ(Error("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                  "chunked\r\n\r\n32\r\n" +
                  std::string(50, 'x') + "\r\n33\r\n")
                .status,
            413);
}

TEST(HttpParser, SurvivesAnyBytes) {
  std::mt19937 random(5);
  const std::string text =
      "POST /v2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\n\r\n"
      "POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
  for (int i = 0; i < 20'000; ++i) {
    std::string mutated = text;
    for (int j = random() % 4; j >= 0; --j) {
      mutated[random() % mutated.size()] = static_cast<char>(random());
    }
    HttpParser parser(kLimits);
    for (size_t at = 0; at < mutated.size();) {
      const size_t taken =
          parser.Feed(absl::string_view(mutated).substr(at, 1 + random() % 40));
      if (parser.state() == State::kComplete) {
        ASSERT_LE(parser.Take().body.size(), kLimits.body_bytes);
      } else if (parser.state() == State::kError) {
        break;
      } else {
        ASSERT_GT(taken, 0u);
      }
      at += taken;
    }
  }
}

}  // namespace
}  // namespace server
