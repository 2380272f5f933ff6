// Calls on a connection, frame by frame, as a client of nghttp2 sees them.
#include "cc/frontend/grpc/connection.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cc/base/loop.h"
#include "cc/frontend/grpc/connection_fixture.h"
#include "cc/frontend/grpc/link.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace grpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kWindow = 65'535;  // of HTTP/2, where nobody says more
constexpr uint8_t kEndStream = NGHTTP2_FLAG_END_STREAM;
constexpr uint8_t kEndHeaders = NGHTTP2_FLAG_END_HEADERS;

TEST_F(ConnectionTest, AMessageIsAnsweredAndTheCallEnds) {
  Client client(&link());
  const int32_t id = client.Call("/echo");
  client.Send(id, Framed("hello"));
  EXPECT_EQ(client[id].fields[":status"], "200");
  EXPECT_EQ(client[id].fields["content-type"], "application/grpc");
  EXPECT_EQ(client[id].data, Framed("hello"));
  EXPECT_FALSE(client[id].closed.has_value());
  client.Send(id, "", true);
  EXPECT_EQ(MessageOf(client[id]), "hello");
  EXPECT_FALSE(client[id].reset);
  EXPECT_EQ(last().gone, 0);
  EXPECT_EQ(shared_.counts.requests, 1u);
}

TEST_F(ConnectionTest, MessagesComeWholeHoweverTheyAreCut) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  const std::string bytes = Framed("one") + Framed("") + Framed("three");
  for (const char byte : bytes) client.Send(id, std::string(1, byte));
  client.Send(id, bytes + bytes);
  EXPECT_THAT(last().messages, ElementsAre("one", "", "three", "one", "",
                                           "three", "one", "", "three"));
}

TEST_F(ConnectionTest, WithoutCallsItHoldsNoMemory) {
  Client client(&link());
  const int32_t id = client.Call("/echo");
  client.Send(id, Framed("hello"));
  EXPECT_GT(budget_.held(), 0u);
  client.Send(id, "", true);
  EXPECT_EQ(MessageOf(client[id]), "hello");
  EXPECT_EQ(budget_.held(), 0u);
}

// Literals without an index: RFC 7541 6.2.2.
std::string HeaderBlock() {
  std::string block;
  for (const auto& [name, value] :
       Client::Fields{{":method", "POST"},
                      {":scheme", "http"},
                      {":path", "/echo"},
                      {":authority", "h"},
                      {"content-type", "application/grpc"}}) {
    absl::StrAppend(&block, std::string(1, '\0'),
                    std::string(1, static_cast<char>(name.size())), name,
                    std::string(1, static_cast<char>(value.size())), value);
  }
  return block;
}

TEST_F(ConnectionTest, FramesMayBePaddedAndContinued) {
  const std::string block = HeaderBlock();
  const auto padded = [](const std::string& payload, size_t size) {
    return absl::StrCat(std::string(1, static_cast<char>(size)), payload,
                        std::string(size, '\0'));
  };
  link().Write(absl::StrCat(
      kPreface, Frame(NGHTTP2_SETTINGS, 0, 0, ""),
      Frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_PADDED, 1,
            padded(block.substr(0, 10), 7)),
      Frame(NGHTTP2_CONTINUATION, 0, 1, block.substr(10, 20)),
      Frame(NGHTTP2_CONTINUATION, kEndHeaders, 1, block.substr(30)),
      Frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1,
            padded(Framed("hello").substr(0, 7), 255)),
      Frame(NGHTTP2_DATA, kEndStream | NGHTTP2_FLAG_PADDED, 1,
            padded(Framed("hello").substr(7), 0))));
  Turn(&loop_);
  EXPECT_THAT(last().messages, ElementsAre("hello"));
  EXPECT_THAT(link().Read(), HasSubstr(Framed("hello")));
}

TEST_F(ConnectionTest, PaddingGivesItsWindowBack) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  link().Write(Frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED,
                     static_cast<uint8_t>(id),
                     absl::StrCat("\xff", std::string(255, '\0'))));
  client.Pump();
  EXPECT_FALSE(client[id].closed.has_value());
  client.Send(id, Framed("x"), true);
  EXPECT_THAT(last().messages, ElementsAre("x"));
}

// ---- Windows

TEST_F(ConnectionTest, AnAnswerIsAsLongAsTheWindowLets) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  last().reply.Send(absl::Cord(std::string(100'000, 'x')));
  client.Pump();
  EXPECT_EQ(client[id].data.size(), kWindow);
  client.UpdateWindow(id, 10);  // the connection's is used up as well
  EXPECT_EQ(client[id].data.size(), kWindow);
  client.UpdateWindow(0, 1000);
  EXPECT_EQ(client[id].data.size(), kWindow + 10);
  EXPECT_EQ(last().sent, 0);
  EXPECT_GT(last().reply.unsent(), 0u);
  client.UpdateWindow(id, 100'000);
  client.UpdateWindow(0, 100'000);
  EXPECT_EQ(client[id].data.size(), 100'005u);
  EXPECT_EQ(last().sent, 1);
  last().reply.Finish(absl::OkStatus());
  client.Send(id, "", true);
  EXPECT_EQ(MessageOf(client[id]), std::string(100'000, 'x'));
}

TEST_F(ConnectionTest, ACallThatIsNotReadHoldsUpNoOther) {
  Client client(&link(), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10}});
  const int32_t slow = client.Call("/keep");
  last().reply.Send(absl::Cord(std::string(1000, 'x')));
  client.Pump();
  EXPECT_EQ(client[slow].data.size(), 10u);
  const int32_t other = client.Call("/echo");
  client.Send(other, Framed("12345"), true);
  EXPECT_EQ(MessageOf(client[other]), "12345");
  // Windows of calls under way grow and shrink with the setting.
  const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                        500};
  nghttp2_submit_settings(client.session(), 0, &entry, 1);
  client.Pump();
  EXPECT_EQ(client[slow].data.size(), 500u);
}

TEST_F(ConnectionTest, WhoHasEnoughToDoHoldsItsClientBack) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  last().is_full = true;
  // Its window is a mebibyte; the connection's is larger.
  const std::string message = Framed(std::string(100'000, 'x'));
  for (int i = 0; i < 12; ++i) client.Send(id, message);
  EXPECT_EQ(last().messages.size(), 10u);
  EXPECT_GT(client.unsent(id), 0u);
  const int32_t other = client.Call("/echo");
  client.Send(other, Framed("x"), true);
  EXPECT_EQ(MessageOf(client[other]), "x");
  last().is_full = false;
  handler_.calls.front()->is_full = false;
  handler_.calls.front()->reply.Send(absl::Cord("go on"));
  client.Pump();
  EXPECT_EQ(client.unsent(id), 0u);
  EXPECT_EQ(handler_.calls.front()->messages.size(), 12u);
}

// ---- Ends of a call

TEST_F(ConnectionTest, WhoResetsACallIsGone) {
  Client client(&link());
  const std::vector<std::string> stages = {
      "", Framed("hello").substr(0, 3), Framed("hello").substr(0, 7),
      Framed("hello"), Framed("hello") + Framed("x").substr(0, 5)};
  for (const std::string& bytes : stages) {
    const int32_t id = client.Call("/keep");
    client.Send(id, bytes);
    client.Reset(id);
    EXPECT_EQ(last().gone, 1) << bytes.size();
    last().reply.Send(absl::Cord("too late"));
    last().reply.Finish(absl::OkStatus());
    EXPECT_EQ(client[id].data, "");
  }
  // What it has said all of, and what it has been answered in part.
  const int32_t asked = client.Call("/keep");
  client.Send(asked, Framed("hello"), true);
  client.Reset(asked);
  EXPECT_EQ(last().gone, 1);
  const int32_t half = client.Call("/keep");
  client.Send(half, Framed("hello"), true);
  last().reply.Send(absl::Cord(std::string(100'000, 'x')));
  client.Pump();
  client.Reset(half);
  EXPECT_EQ(last().gone, 1);
  const int32_t finished = client.Call("/keep");
  client.Send(finished, Framed("hello"), true);
  last().reply.Send(absl::Cord(std::string(100'000, 'x')));
  last().reply.Finish(absl::OkStatus());
  client.Pump();
  client.Reset(finished);
  EXPECT_EQ(last().gone, 0);  // it has heard all that there is
  client.UpdateWindow(0, 200'000);
  const int32_t next = client.Call("/echo");
  client.Send(next, Framed("x"), true);
  EXPECT_EQ(MessageOf(client[next]), "x");
}

TEST_F(ConnectionTest, AnAnswerBeforeTheEndTellsTheClientToStop) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  client.Send(id, Framed("hello").substr(0, 7));
  last().reply.Finish(absl::AbortedError("enough"));
  client.Pump();
  EXPECT_EQ(client[id].status(), "10");
  EXPECT_EQ(client[id].fields["grpc-message"], "enough");
  EXPECT_TRUE(client[id].reset);
  EXPECT_EQ(client[id].closed, NGHTTP2_NO_ERROR);
}

TEST_F(ConnectionTest, ACallMayEndByItsHeadersOrByTrailers) {
  Client client(&link());
  const int32_t empty = client.Call("/late", true);
  EXPECT_EQ(MessageOf(client[empty]), "late");
  EXPECT_THAT(last().messages, ElementsAre());
  const int32_t id = client.Call("/late");
  client.Send(id, Framed("x"));
  client.Trailers(id, {{"some", "trailer"}});
  EXPECT_EQ(MessageOf(client[id]), "late");
  EXPECT_THAT(last().messages, ElementsAre("x"));
}

TEST_F(ConnectionTest, ACallThatEndsWithinAMessageIsAnError) {
  Client client(&link());
  for (const size_t size : {1, 5, 9}) {
    const int32_t id = client.Call("/echo");
    client.Send(id, Framed("hello").substr(0, size), true);
    EXPECT_EQ(client[id].status(), "13") << size;
    EXPECT_THAT(client[id].fields["grpc-message"],
                HasSubstr("ends within a message"));
    EXPECT_FALSE(last().ended);
  }
}

// RFC 9113 5.1: an error of the connection.
TEST_F(ConnectionTest, WhatFollowsTheEndIsNotTaken) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  client.Send(id, Framed("x"), true);
  link().Write(Frame(NGHTTP2_DATA, 0, static_cast<uint8_t>(id), Framed("y")));
  client.Pump();
  EXPECT_EQ(client.goaway_error(), NGHTTP2_STREAM_CLOSED);
  EXPECT_TRUE(link().ended());
  link().HangUp();
  Turn(&loop_);
  EXPECT_THAT(last().messages, ElementsAre("x"));
  EXPECT_EQ(last().gone, 1);
}

TEST_F(ConnectionTest, ErrorsAreWordsOfPrintableLetters) {
  Client client(&link());
  const int32_t id = client.Call("/fail");
  client.Send(id, Framed("x"), true);
  EXPECT_EQ(client[id].status(), "5");
  EXPECT_EQ(client[id].fields["grpc-message"], "no \"m%C3%A9\" of 100 %25");
  EXPECT_EQ(client[id].closed, NGHTTP2_NO_ERROR);
}

TEST_F(ConnectionTest, WhereMemoryIsUsedUpTheCallSaysSo) {
  Client client(&link());
  const int32_t id = client.Call("/throw");
  client.Send(id, Framed("x"), true);
  EXPECT_EQ(client[id].status(), "8");
  EXPECT_TRUE(budget_.Take(budget_.limit() - budget_.held()));
  const int32_t other = client.Call("/echo");
  client.Send(other, Framed(std::string(50'000, 'x')).substr(0, 45'000));
  budget_.Release(budget_.limit());
  EXPECT_EQ(client[other].status(), "8");
  const int32_t next = client.Call("/echo");
  client.Send(next, Framed("x"), true);
  EXPECT_EQ(MessageOf(client[next]), "x");
}

// ---- What is no call

TEST_F(ConnectionTest, WhatIsNoCallOfGrpcIsRefused) {
  Client client(&link());
  const int32_t json = client.Call("/echo", true, {{"content-type", "json"}});
  EXPECT_EQ(client[json].fields[":status"], "415");
  EXPECT_EQ(client[json].status(), "3");
  const int32_t get = client.Call("/echo", true, {{":method", "GET"}});
  EXPECT_EQ(client[get].status(), "12");
  const int32_t time = client.Call("/echo", true, {{"grpc-timeout", "1 h"}});
  EXPECT_EQ(client[time].status(), "3");
  const int32_t large =
      client.Call("/echo", true, {{"x", std::string(4096, 'x')}});
  EXPECT_EQ(client[large].status(), "8");
  const int32_t message = client.Call("/echo");
  client.Send(message, Framed(std::string(1 << 20, 'x') + "x").substr(0, 5));
  EXPECT_EQ(client[message].status(), "8");
  EXPECT_EQ(handler_.refused.size(), 5u);
  EXPECT_EQ(shared_.counts.refused, 5u);
  const int32_t compressed = client.Call("/echo");
  client.Send(compressed, "\1" + Framed("x").substr(1));
  EXPECT_EQ(client[compressed].status(), "13");
}

TEST_F(ConnectionTest, TellsTheHandlerHowLongThereIs) {
  Client client(&link());
  const auto before = base::Clock::now();
  client.Call("/keep", false, {{"grpc-timeout", "99999999H"}});
  client.Call("/keep", false, {{"grpc-timeout", "5S"}});
  client.Call("/keep");
  EXPECT_GT(handler_.heads[0].deadline, before + std::chrono::hours(1));
  EXPECT_GE(handler_.heads[1].deadline, before + std::chrono::seconds(5));
  EXPECT_FALSE(handler_.heads[2].deadline.has_value());
}

TEST_F(ConnectionTest, MoreCallsThanAreAllowedAreRefused) {
  Client client(&link());
  for (int i = 0; i < 4; ++i) client.Call("/keep");
  // nghttp2 would keep the fifth for itself.
  link().Write(Frame(NGHTTP2_HEADERS, kEndHeaders, 9, HeaderBlock()));
  client.Pump();
  EXPECT_EQ(handler_.calls.size(), 4u);
  EXPECT_FALSE(link().closed());
}

TEST_F(ConnectionTest, WhoBreaksTheProtocolOverAndOverIsLetGo) {
  link().Write(absl::StrCat(kPreface, Frame(NGHTTP2_SETTINGS, 0, 0, "")));
  std::string capitals = HeaderBlock();
  capitals += std::string("\0\1X\1x", 5);  // no name of HTTP/2
  int calls = 0;
  while (!link().closed() && calls < 120) {
    ++calls;
    link().Write(Frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream,
                       static_cast<uint8_t>(2 * calls - 1), capitals));
    link().Read();
  }
  EXPECT_EQ(calls, 101);
  EXPECT_TRUE(handler_.calls.empty());
}

TEST_F(ConnectionTest, WhoSpeaksHttp1IsTold) {
  link().Write("GET / HTTP/1.1\r\n\r\n");
  const std::string answer = link().Read();
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 400 Bad Request"));
  EXPECT_TRUE(link().ended());
  link().HangUp();
  Turn(&loop_);
  EXPECT_TRUE(link().closed());
}

}  // namespace
}  // namespace grpc
