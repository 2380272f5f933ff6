// Slow clients: none holds a connection for long, none that moves is cut off.
// A limit that must strike is small here; one that must not is seconds longer
// than a busy machine delays a thread.
#include <chrono>
#include <string>
#include <thread>

#include "cc/frontend/http/server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace http {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::string_view kHead =
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n";
constexpr milliseconds kNever{3'600'000};

class TimeoutsTest : public ServerTest {
 protected:
  // None strikes but what a test sets.
  TimeoutsTest() {
    options_.timeouts.idle = kNever;
    options_.timeouts.head = kNever;
    options_.timeouts.stall = kNever;
    options_.timeouts.min_bytes_per_second = 1;
    options_.timeouts.linger = milliseconds(50);
  }
  // Sends a byte now and then until the server has closed the connection.
  static void Trickle(Client* client, absl::string_view bytes) {
    for (size_t i = 0; client->Send(bytes.substr(i % bytes.size(), 1)); ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
};

TEST_F(TimeoutsTest, AHeadThatDoesNotComeToItsEndIsAnswered408) {
  options_.timeouts.head = milliseconds(50);
  Start();
  Client client(port());
  client.Send("POST /echo HTTP/1.1\r\nHost:");
  const std::string text = client.ReadAll();
  EXPECT_THAT(text, StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_THAT(text, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(text, EndsWith("request line and headers did not arrive within "
                             "50 ms"));
  EXPECT_TRUE(client.closed());
}

TEST_F(TimeoutsTest, ATrickleDoesNotProlongTheHead) {
  options_.timeouts.head = milliseconds(200);
  Start();
  Client head(port());
  head.Send("POST /echo HTTP/1.1\r\nX: ");
  Trickle(&head, "x");
  Client blank(port());
  // Empty lines before a request are none of it.
  Trickle(&blank, "\r\n");
  AwaitConnections(0);
}

TEST_F(TimeoutsTest, ABodyThatStopsIsAnswered408) {
  options_.timeouts.stall = milliseconds(50);
  Start();
  Client client(port());
  client.Send(absl::StrCat(kHead, "some of it"));
  // What came moved; nothing did in the span after it.
  EXPECT_THAT(client.ReadAll(),
              EndsWith("the body arrived at less than 1 bytes per second for "
                       "50 ms"));
  EXPECT_TRUE(client.closed());
}

TEST_F(TimeoutsTest, ATrickleIsNoBody) {
  options_.timeouts.stall = milliseconds(200);
  options_.timeouts.min_bytes_per_second = 1'000'000;
  Start();
  Client plain(port());
  plain.Send(kHead);
  Trickle(&plain, "x");
  Client chunked(port());
  chunked.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  Trickle(&chunked, "1\r\nx\r\n");
  AwaitConnections(0);
}

TEST_F(TimeoutsTest, WhatStandsAroundChunksIsNoProgress) {
  options_.timeouts.stall = milliseconds(200);
  options_.timeouts.min_bytes_per_second = 50;
  Start();
  Client client(port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\n"
      "Transfer-Encoding: chunked\r\n\r\n"
      "64\r\n" +
      std::string(100, 'x') + "\r\n");
  // Chunks of 1 byte: 10 of them in each span would do, and 5 come with 30
  // bytes of extensions.
  std::string text;
  while (text.empty()) {
    client.Send("1;e=" + std::string(25, 'v') + "\r\nx\r\n");
    std::this_thread::sleep_for(milliseconds(40));
    char c;
    if (recv(client.fd(), &c, 1, MSG_DONTWAIT) == 1) text = client.ReadAll();
  }
  EXPECT_THAT(text, HasSubstr("less than 50 bytes per second"));
}

TEST_F(TimeoutsTest, ASlowBodyThatMovesIsTaken) {
  options_.timeouts.stall = milliseconds(2'000);
  Start();
  Client client(port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n"
      "Connection: close\r\n\r\n");
  for (int i = 0; i < 50; ++i) {  // two spans and a half
    std::this_thread::sleep_for(milliseconds(100));
    client.Send("x");
  }
  EXPECT_THAT(client.ReadAll(), EndsWith("\r\n\r\n" + std::string(50, 'x')));
}

TEST_F(TimeoutsTest, AClientThatDoesNotReadIsCutOff) {
  options_.timeouts.stall = milliseconds(200);
  options_.timeouts.min_bytes_per_second = 1'000'000'000;
  Start();
  Client client(port());
  client.Send(PostOf("/large", ""));
  EXPECT_THAT(client.ReadSome(12), "HTTP/1.1 200");
  AwaitConnections(0);
}

TEST_F(TimeoutsTest, ASlowReaderThatMovesGetsItAll) {
  options_.timeouts.stall = milliseconds(2'000);
  Start();
  Client client(port());
  client.Send(PostOf("/large", "", "Connection: close\r\n"));
  size_t got = 0;
  for (size_t n = 1; n > 0; got += n) {
    if (got < kLarge / 2) std::this_thread::sleep_for(milliseconds(100));
    n = client.ReadSome(512 << 10).size();
  }
  EXPECT_GT(got, kLarge);
  EXPECT_TRUE(client.closed());
}

TEST_F(TimeoutsTest, AnIdleConnectionIsClosedWithoutAWord) {
  options_.timeouts.idle = milliseconds(50);
  Start();
  Client used(port());
  used.Send(PostOf("/echo", "used"));
  EXPECT_EQ(used.ReadAnswer(), "used");
  EXPECT_EQ(used.ReadAll(), "");
  EXPECT_TRUE(used.closed());
}

TEST_F(TimeoutsTest, ANewConnectionWithoutARequestIsClosedSooner) {
  options_.timeouts.head = milliseconds(50);
  Start();
  Client fresh(port());
  EXPECT_EQ(fresh.ReadAll(), "");
  EXPECT_TRUE(fresh.closed());
}

TEST_F(TimeoutsTest, AClientThatDoesNotCloseAfterTheLastAnswerIsLeft) {
  Start();
  Client client(port());
  client.Send(PostOf("/echo", "last", "Connection: close\r\n"));
  EXPECT_EQ(client.ReadAnswer(), "last");
  AwaitConnections(0);
}

TEST_F(TimeoutsTest, AHandlerMayTakeItsTime) {
  options_.timeouts.idle = milliseconds(50);
  options_.timeouts.head = milliseconds(50);
  options_.timeouts.stall = milliseconds(50);
  Start();
  Client client(port());
  client.Send(PostOf("/keep", "x"));
  handler_.AwaitKept(1);
  std::this_thread::sleep_for(milliseconds(200));
  AnswerKept("at last");
  EXPECT_EQ(client.ReadAnswer(), "at last");
}

}  // namespace
}  // namespace http
