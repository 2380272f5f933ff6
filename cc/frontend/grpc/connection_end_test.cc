// How connections end: by GOAWAY, by time, or by the client.
#include <unistd.h>

#include <chrono>
#include <limits>
#include <memory>
#include <string>

#include "cc/frontend/grpc/connection_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace grpc {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr int32_t kLastStream = std::numeric_limits<int32_t>::max();

// ---- GOAWAY

TEST_F(ConnectionTest, AnAnnouncedEndTakesCallsStill) {
  Client client(&link());
  const int32_t before = client.Call("/echo");
  link().connection().AnnounceEnd();
  link().connection().AnnounceEnd();
  client.Pump();
  EXPECT_EQ(client.last_stream(), kLastStream);
  EXPECT_EQ(client.goaway_error(), NGHTTP2_NO_ERROR);
  client.Send(before, Framed("x"), true);
  EXPECT_EQ(MessageOf(client[before]), "x");
  EXPECT_FALSE(link().ended());
}

// Whoever has not heard of the end may still call: only its answer to our ping
// says that it has.
TEST_F(ConnectionTest, ADrainAnswersWhatIsOnItsWay) {
  Client client(&link());
  client.HoldPings(true);
  const int32_t first = client.Call("/keep");
  client.Send(first, Framed("x"), true);
  link().connection().Drain();
  Turn(&loop_);
  // It was on its way when the client was told.
  const std::string told = link().Read();
  EXPECT_THAT(told, HasSubstr("draining"));
  const int32_t second = client.Call("/echo");
  client.Send(second, Framed("y"), true);
  EXPECT_EQ(MessageOf(client[second]), "y");
  EXPECT_EQ(handler_.calls[0]->drained, 0);
  link().Write(Frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "draining"));
  client.Pump();
  EXPECT_EQ(client.last_stream(), second);
  EXPECT_EQ(handler_.calls[0]->drained, 1);
  EXPECT_EQ(link().connection().owed(), 1);
  EXPECT_FALSE(link().ended());
  handler_.calls[0]->reply.Finish(absl::OkStatus());
  client.Pump();
  EXPECT_EQ(client[first].status(), "0");
  EXPECT_TRUE(link().ended());
  EXPECT_FALSE(link().closed());  // the client is to close first
  link().HangUp();
  Turn(&loop_);
  EXPECT_TRUE(link().closed());
}

TEST_F(ConnectionTest, ADrainOfAnIdleConnectionEndsItAtOnce) {
  Client client(&link());
  client.Pump();
  link().connection().Drain();
  client.Pump();
  EXPECT_EQ(client.last_stream(), kLastStream);
  EXPECT_THAT(client.read(),
              EndsWith(Frame(NGHTTP2_GOAWAY, 0, 0, std::string(8, '\0'))));
  EXPECT_TRUE(link().ended());
}

TEST_F(ConnectionTest, ADrainOfAClientThatHasSaidNothingEndsItAtOnce) {
  link().connection().Drain();
  Turn(&loop_);
  link().Read();
  EXPECT_TRUE(link().ended());
}

TEST_F(ConnectionTest, ATurnedAwayClientIsToldWhy) {
  Client client(&link());
  link().connection().TurnAway("too many connections");
  client.Pump();
  EXPECT_EQ(client.goaway_error(), NGHTTP2_NO_ERROR);
  EXPECT_EQ(client.last_stream(), 0);
  EXPECT_TRUE(link().ended());
  ASSERT_EQ(handler_.refused.size(), 1u);
  EXPECT_THAT(std::string(handler_.refused[0].message()),
              HasSubstr("too many connections"));
}

TEST_F(ConnectionTest, AClientThatGoesAwayGetsItsAnswers) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  client.Send(id, Framed("x"), true);
  client.GoAway();
  EXPECT_FALSE(link().ended());
  last().reply.Send(absl::Cord("y"));
  last().reply.Finish(absl::OkStatus());
  client.Pump();
  EXPECT_EQ(MessageOf(client[id]), "y");
  EXPECT_TRUE(link().ended());
}

TEST_F(ConnectionTest, WhoIsGoneIsGoneForAllItsCalls) {
  Client client(&link());
  client.Call("/keep");
  client.Send(client.Call("/keep"), Framed("x"), true);
  client.Send(client.Call("/keep"), Framed("x").substr(0, 3));
  link().HangUp();
  Turn(&loop_);
  EXPECT_TRUE(link().closed());
  for (const auto& call : handler_.calls) {
    EXPECT_EQ(call->gone, 1);
    call->reply.Send(absl::Cord("for nobody"));
  }
}

TEST_F(ConnectionTest, AnAbandonedConnectionCallsNobody) {
  Client client(&link());
  client.Send(client.Call("/keep"), Framed("x"), true);
  link().connection().Abandon();
  EXPECT_EQ(last().gone, 0);
  EXPECT_FALSE(link().closed());
  last().reply.Send(absl::Cord("for nobody"));
  last().reply.Finish(absl::OkStatus());
}

// ---- Time. What must come is waited for, however long it takes; nothing is
// said of how soon.

http::Timeouts Patient() {
  const auto hour = std::chrono::hours(1);
  http::Timeouts timeouts;
  timeouts.idle = timeouts.head = timeouts.stall = timeouts.linger = hour;
  return timeouts;
}

template <typename Done>
void Until(base::Loop* loop, Done done) {
  while (!done()) {
    Turn(loop);
    usleep(1000);
  }
}

class SilentClientTest : public ConnectionTest {
 protected:
  static http::Timeouts Timeouts() {
    http::Timeouts timeouts = Patient();
    timeouts.head = milliseconds(5);
    return timeouts;
  }
  SilentClientTest() : ConnectionTest(Timeouts()) {}
};

TEST_F(SilentClientTest, IsLetGo) {
  Until(&loop_, [&] {
    link().Read();
    return link().ended();
  });
}

// Its answer to the ping is waited for as long as for a head.
TEST_F(SilentClientTest, IsLetGoAlsoByADrain) {
  Client client(&link());
  client.HoldPings(true);
  client.Pump();
  link().connection().Drain();
  Until(&loop_, [&] {
    client.Pump();
    return link().ended();
  });
  EXPECT_EQ(client.last_stream(), kLastStream);
}

class IdleTest : public ConnectionTest {
 protected:
  static http::Timeouts Timeouts() {
    http::Timeouts timeouts = Patient();
    timeouts.idle = milliseconds(5);
    return timeouts;
  }
  IdleTest() : ConnectionTest(Timeouts()) {}
};

TEST_F(IdleTest, AnIdleConnectionEndsWithoutLoss) {
  Client client(&link());
  const int32_t id = client.Call("/keep", true);
  for (int i = 0; i < 20; ++i) {
    usleep(1000);
    client.Pump();
  }
  EXPECT_FALSE(client.last_stream().has_value());  // a call is under way
  last().reply.Finish(absl::OkStatus());
  Until(&loop_, [&] {
    client.Pump();
    return link().ended();
  });
  EXPECT_EQ(client[id].status(), "0");
  EXPECT_EQ(client.goaway_error(), NGHTTP2_NO_ERROR);
}

class StallTest : public ConnectionTest {
 protected:
  static http::Timeouts Timeouts() {
    http::Timeouts timeouts = Patient();
    timeouts.stall = milliseconds(5);
    timeouts.min_bytes_per_second = 1000;
    return timeouts;
  }
  StallTest() : ConnectionTest(Timeouts()) {}
};

TEST_F(StallTest, AMessageThatStopsIsRefused) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  client.Send(id, Framed("hello").substr(0, 7));
  Until(&loop_, [&] {
    client.Pump();
    return client[id].closed.has_value();
  });
  EXPECT_EQ(client[id].status(), "4");
  EXPECT_THAT(client[id].fields["grpc-message"],
              HasSubstr("less than 1000 bytes per second"));
  EXPECT_EQ(last().gone, 0);  // it has asked for nothing yet
}

TEST_F(StallTest, AnAnswerThatIsNotReadIsCut) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  client.Send(id, Framed("x"), true);
  last().reply.Send(absl::Cord(std::string(100'000, 'x')));
  Until(&loop_, [&] {
    client.Pump();
    return client[id].closed.has_value();
  });
  EXPECT_EQ(client[id].closed, NGHTTP2_CANCEL);
  EXPECT_EQ(last().gone, 1);
}

TEST_F(StallTest, AModelMayTakeItsTime) {
  Client client(&link());
  const int32_t id = client.Call("/keep");
  client.Send(id, Framed("x"), true);
  for (int i = 0; i < 30; ++i) {
    usleep(1000);
    client.Pump();
  }
  EXPECT_FALSE(client[id].closed.has_value());
  last().reply.Finish(absl::OkStatus());
  client.Pump();
  EXPECT_EQ(client[id].status(), "0");
}

class LingerTest : public ConnectionTest {
 protected:
  static http::Timeouts Timeouts() {
    http::Timeouts timeouts = Patient();
    timeouts.linger = milliseconds(5);
    return timeouts;
  }
  LingerTest() : ConnectionTest(Timeouts()) {}
};

TEST_F(LingerTest, WhoDoesNotCloseIsClosed) {
  Client client(&link());
  client.Pump();
  link().connection().Drain();
  client.Pump();
  EXPECT_TRUE(link().ended());
  Until(&loop_, [&] { return link().closed(); });
}

}  // namespace
}  // namespace grpc
