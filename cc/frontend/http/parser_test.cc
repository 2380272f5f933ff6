#include "cc/frontend/http/parser.h"

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace http {
namespace {

using State = Parser::State;
using ::testing::HasSubstr;

constexpr Limits kLimits = {/*head_bytes=*/512, /*headers=*/5,
                            /*body_bytes=*/100};

// Feeds `text` in pieces of `step` bytes until a request or an error is there.
size_t Feed(Parser* parser, absl::string_view text, size_t step,
            std::string* body = nullptr) {
  size_t at = 0;
  while (at < text.size() && parser->state() != State::kComplete &&
         parser->state() != State::kError) {
    const Parser::Fed fed = parser->Feed(text.substr(at, step));
    at += fed.taken;
    if (body != nullptr) absl::StrAppend(body, fed.body);
  }
  return at;
}

Error ErrorOf(absl::string_view text) {
  Error whole;
  for (const size_t step : {size_t{1}, text.size()}) {
    Parser parser(kLimits, {});
    Feed(&parser, text, step);
    EXPECT_EQ(parser.state(), State::kError) << text;
    whole = parser.error();
  }
  return whole;
}

TEST(Parser, ReadsRequestsWhateverThePieces) {
  const std::string text =
      "POST /v2/x?y=1 HTTP/1.1\r\nHost: h\r\nA:  b c\t\r\n"
      "content-length: 5\r\n\r\nhelloGET /next HTTP/1.1\r\nHost: h\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    Parser parser(kLimits, {});
    EXPECT_FALSE(parser.started());
    std::string body;
    const size_t taken = Feed(&parser, text, step, &body);
    ASSERT_EQ(parser.state(), State::kComplete) << step;
    EXPECT_EQ(parser.declared(), 5u);
    const Request request = parser.Take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/v2/x?y=1");
    EXPECT_EQ(request.path(), "/v2/x");
    EXPECT_EQ(*request.Header("a"), "b c");
    EXPECT_EQ(request.Header("b"), nullptr);
    EXPECT_EQ(body, "hello");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_FALSE(parser.started());
    Feed(&parser, absl::string_view(text).substr(taken), step);
    ASSERT_EQ(parser.state(), State::kComplete) << step;
    EXPECT_EQ(parser.Take().target, "/next");
  }
}

TEST(Parser, SaysTheSameOfABrokenLineWhateverThePieces) {
  for (const char* text : {"\r\r\n", "\rGET / HTTP/1.1\r\n\r\n"}) {
    for (const size_t step : {1, 2, 100}) {
      Parser parser(kLimits, {});
      Feed(&parser, text, step);
      EXPECT_EQ(parser.error().message, "malformed end of line") << step;
    }
  }
}

TEST(Parser, ReadsChunkedBodies) {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5\r\nhello\r\n06;name=\"x\"\r\n world\r\n0\r\nTrailer: x\r\n\r\nrest";
  for (size_t step = 1; step <= text.size(); ++step) {
    Parser parser(kLimits, {});
    std::string body;
    EXPECT_EQ(Feed(&parser, text, step, &body), text.size() - 4);
    ASSERT_EQ(parser.state(), State::kComplete) << parser.error().message;
    EXPECT_EQ(body, "hello world");
  }
}

TEST(Parser, KnowsWhetherToKeepTheConnection) {
  const auto keeps = [](absl::string_view version, absl::string_view header) {
    Parser parser(kLimits, {});
    Feed(
        &parser,
        absl::StrCat("GET / HTTP/", version, "\r\nHost: h\r\n", header, "\r\n"),
        1000);
    EXPECT_EQ(parser.state(), State::kComplete);
    return parser.Take().keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_FALSE(keeps("1.1", "Connection: x, Close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: close\r\nConnection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(Parser, TellsWhenTheClientWaits) {
  const auto waits = [](absl::string_view version) {
    Parser parser(kLimits, {});
    Feed(&parser,
         absl::StrCat("POST / HTTP/", version,
                      "\r\nHost: h\r\nContent-Length: 2\r\n"
                      "Expect: 100-Continue\r\n\r\n"),
         1000);
    EXPECT_EQ(parser.state(), State::kBody);
    return parser.expects_continue();
  };
  EXPECT_TRUE(waits("1.1"));
  EXPECT_FALSE(waits("1.0"));
}

TEST(Parser, AnAbsoluteTargetSaysWhichHostIsMeant) {
  Parser parser(kLimits, {});
  Feed(&parser, "\r\n\r\nGET HTTP://h:1?x HTTP/1.1\r\nHost: other\r\n\r\n", 3);
  ASSERT_EQ(parser.state(), State::kComplete) << parser.error().message;
  const Request request = parser.Take();
  EXPECT_EQ(request.target, "/?x");
  EXPECT_EQ(*request.Header("Host"), "h:1");
}

TEST(Parser, TakesTheHostsThatThereAre) {
  for (const char* host : {"", "h", "h:80", "h:", "127.0.0.1:8080", "[::1]",
                           "[::1]:80", "[fe80::1:2]", "a_b-c.example", "%41"}) {
    Parser parser(kLimits, {});
    Feed(&parser, absl::StrCat("GET / HTTP/1.1\r\nHost: ", host, "\r\n\r\n"),
         1000);
    EXPECT_EQ(parser.state(), State::kComplete) << host;
  }
  for (const char* host : {"[::1", "::1", "[]", "h:80:80", "h:123456", "%4",
                           "[::1]x", "h\xc3\xa9", "a b", "h?", "h#"}) {
    EXPECT_THAT(
        ErrorOf(absl::StrCat("GET / HTTP/1.1\r\nHost: ", host, "\r\n\r\n"))
            .message,
        HasSubstr("malformed Host"))
        << host;
  }
}

TEST(Parser, SaysHowToMendATarget) {
  for (const char* target :
       {"/\xC3\xA9", "/a\"b", "/a[0]", "/%", "x", "/a|b"}) {
    const Error error =
        ErrorOf(absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(error.status, 400);
    EXPECT_THAT(error.message, HasSubstr("percent-encoded as UTF-8 (%C3%A9)"));
  }
}

TEST(Parser, KnowsAClientThatSpeaksTls) {
  EXPECT_THAT(ErrorOf(absl::string_view("\x16\x03\x01\x02\x00\x01", 6)).message,
              HasSubstr("http://, not https://"));
}

TEST(Parser, RefusesWhatItDoesNotServe) {
  const auto with = [](absl::string_view headers) {
    return ErrorOf(
        absl::StrCat("POST / HTTP/1.1\r\nHost: h\r\n", headers, "\r\n\r\n"));
  };
  EXPECT_EQ(with("Expect: more").status, 417);
  EXPECT_EQ(with("Transfer-Encoding: gzip, chunked").status, 501);
  const Error method =
      ErrorOf(std::string(100, 'X') + " / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(method.status, 501);
  EXPECT_LT(method.message.size(), 100u);  // a client's words are cut
}

TEST(Parser, BoundsHeadAndBody) {
  EXPECT_EQ(ErrorOf("GET /" + std::string(600, 'x')).status, 431);
  EXPECT_EQ(ErrorOf("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(600, 'x'))
                .status,
            431);
  EXPECT_THAT(
      ErrorOf("GET / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\n\r\n")
          .message,
      HasSubstr("more than 5 headers"));
  const Error error =
      ErrorOf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
  EXPECT_EQ(error.status, 413);
  EXPECT_THAT(error.message, HasSubstr("exceeds the limit of 100 bytes"));
  EXPECT_EQ(ErrorOf("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n32\r\n" +
                    std::string(50, 'x') + "\r\n33\r\n")
                .status,
            413);
  std::string blank;
  for (int i = 0; i < 9; ++i) blank += "\r\n";
  EXPECT_EQ(ErrorOf(blank).status, 400);
}

TEST(Parser, BoundsWhatStandsAroundChunks) {
  constexpr absl::string_view kHead =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const Limits limits;
  // Bytes one by one, as some encoders write them.
  Parser small(limits, {});
  std::string text(kHead);
  for (int i = 0; i < 100'000; ++i) text += "1\r\nx\r\n";
  text += "0\r\n\r\n";
  std::string body;
  Feed(&small, text, text.size(), &body);
  EXPECT_EQ(small.state(), State::kComplete) << small.error().message;
  EXPECT_EQ(body.size(), 100'000u);
  // Extensions are not for carrying things.
  Parser padded(limits, {});
  text = std::string(kHead);
  for (int i = 0; i < 100'000; ++i) text += "1;e=0123456789\r\nx\r\n";
  const size_t taken = Feed(&padded, text, text.size());
  EXPECT_EQ(padded.state(), State::kError);
  EXPECT_LT(taken, 64u << 10);
}

TEST(Parser, SurvivesAnyBytes) {
  std::mt19937 random(5);
  const std::string text =
      "POST /v2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n"
      "POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
  for (int i = 0; i < 20'000; ++i) {
    std::string mutated = text;
    for (int j = random() % 4; j >= 0; --j) {
      mutated[random() % mutated.size()] = static_cast<char>(random());
    }
    Parser parser(kLimits, {});
    size_t body = 0;
    for (size_t at = 0; at < mutated.size();) {
      const Parser::Fed fed =
          parser.Feed(absl::string_view(mutated).substr(at, 1 + random() % 40));
      body += fed.body.size();
      ASSERT_LE(body, kLimits.body_bytes);
      if (parser.state() == State::kComplete) {
        parser.Take();
        body = 0;
      } else if (parser.state() == State::kError) {
        break;
      } else {
        ASSERT_GT(fed.taken, 0u);
      }
      at += fed.taken;
    }
  }
}

}  // namespace
}  // namespace http
