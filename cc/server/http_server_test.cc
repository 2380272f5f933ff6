#include "cc/server/http_server.h"

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cc/server/http_server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using std::chrono::milliseconds;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(HttpServerTest, KeepsTheConnectionAndAnswersInOrder) {
  Start();
  Client client(port());
  client.Send(Request("/echo", "one") + Request("/thread", "two") +
              Request("/echo", "three") +
              Request("/echo", "four", "Connection: close\r\n"));
  const std::string text = client.ReadAll();
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\n"
                               "Content-Type: text/plain\r\n"
                               "Content-Length: 3\r\n"
                               "Connection: keep-alive\r\n\r\none"
                               "HTTP/1.1 200 OK\r\n"));
  EXPECT_LT(text.find("two"), text.find("three"));
  EXPECT_THAT(text, EndsWith("Connection: close\r\n\r\nfour"));
  EXPECT_EQ(Stop(), 0);
}

TEST_F(HttpServerTest, ServesManyClientsAtOnce) {
  Start();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      Client client(port());
      const std::string body(1000 + i, static_cast<char>('a' + i));
      for (int j = 0; j < 50; ++j) {
        client.Send(Request(j % 2 ? "/echo" : "/thread", body));
        ASSERT_THAT(client.ReadUntil(body), EndsWith("\r\n\r\n" + body));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(HttpServerTest, AnswersHeadWithoutBodyAndContinues) {
  Start();
  Client client(port());
  client.Send(
      "HEAD /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("Content-Length: 4\r\n"));
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
      "Content-Length: 4\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("body");
  EXPECT_THAT(client.ReadAll(), EndsWith("\r\n\r\nbody"));
}

TEST_F(HttpServerTest, AnswersAClientThatHasFinishedSending) {
  Start();
  Client client(port());
  client.Send(Request("/thread", "body"));
  client.FinishSending();
  EXPECT_THAT(client.ReadAll(), EndsWith("\r\n\r\nbody"));
}

TEST_F(HttpServerTest, RefusesWhatIsMalformedOrTooLargeInTheHandlersWords) {
  Start();
  {
    Client client(port());
    client.Send("nonsense\r\n\r\n");
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_TRUE(client.closed());
  }
  {
    // All of it is sent before the answer is read, as many clients do.
    Client client(port());
    client.Send(Request("/echo", std::string(5'000'000, 'x')));
    const std::string text = client.ReadAll();
    EXPECT_THAT(text, StartsWith("HTTP/1.1 413 Content Too Large\r\n"));
    EXPECT_THAT(text, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(text, EndsWith("exceeds the limit of 10000 bytes"));
  }
  Client client(port());
  client.Send(Request("/echo", "still here", "Connection: close\r\n"));
  EXPECT_THAT(client.ReadAll(), EndsWith("still here"));
}

TEST_F(HttpServerTest, AHandlerThatForgetsToAnswerIsAnError) {
  Start();
  Client client(port());
  client.Send(Request("/drop", "", "Connection: close\r\n"));
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(HttpServerTest, ConnectionsAreBounded) {
  options_.max_connections = 2;
  Start();
  auto first = std::make_unique<Client>(port());
  Client second(port());
  first->Send(Request("/echo", "first"));
  EXPECT_THAT(first->ReadUntil("first"), EndsWith("first"));
  second.Send(Request("/echo", "second"));
  EXPECT_THAT(second.ReadUntil("second"), EndsWith("second"));
  {
    Client third(port());
    EXPECT_THAT(third.ReadAll(), HasSubstr("503 Service Unavailable"));
  }
  first.reset();
  std::string text;
  for (int i = 0; i < 1000 && text.find("fourth") == text.npos; ++i) {
    Client fourth(port());
    fourth.Send(Request("/echo", "fourth", "Connection: close\r\n"));
    text = fourth.ReadAll();
  }
  EXPECT_THAT(text, EndsWith("fourth"));
}

TEST_F(HttpServerTest, GoneClientsDoNoHarm) {
  Start();
  for (int i = 0; i < 20; ++i) {
    Client client(port());
    client.Send(Request(i % 2 ? "/thread" : "/keep", "x"));
  }
  handler_.AwaitKept(10);
  handler_.AnswerKept("nobody reads this");
  Client client(port());
  client.Send(Request("/echo", "alive", "Connection: close\r\n"));
  EXPECT_THAT(client.ReadAll(), EndsWith("alive"));
}

TEST_F(HttpServerTest, DrainAnswersWhatRunsAndSaysClose) {
  Start();
  Client running(port());
  Client idle(port());
  running.Send(Request("/keep", ""));
  handler_.AwaitKept(1);
  server_->Shutdown();
  handler_.AwaitDrained();
  // New requests are still answered: that it drains is the handler's to say.
  Client late(port());
  late.Send(Request("/echo", "late"));
  EXPECT_THAT(late.ReadAll(), HasSubstr("Connection: close\r\n"));
  handler_.AnswerKept("in time");
  EXPECT_THAT(running.ReadAll(), EndsWith("in time"));
  EXPECT_EQ(idle.ReadAll(), "");
  EXPECT_EQ(Stop(), 0);
  EXPECT_FALSE(Client(port()).connected());
}

TEST_F(HttpServerTest, DrainEndsInTime) {
  options_.drain_timeout = milliseconds(200);
  Start();
  Client client(port());
  client.Send(Request("/keep", ""));
  handler_.AwaitKept(1);
  EXPECT_EQ(Stop(), 1);
  handler_.AnswerKept("too late");
}

TEST_F(HttpServerTest, SignalsDrainAndASecondOneEndsTheWait) {
  Start();
  Client client(port());
  client.Send(Request("/keep", ""));
  handler_.AwaitKept(1);
  kill(getpid(), SIGTERM);
  handler_.AwaitDrained();
  kill(getpid(), SIGINT);
  thread_.join();
  EXPECT_EQ(abandoned_, 1);
}

TEST_F(HttpServerTest, APortIsTakenOnce) {
  Start();
  HttpServer::Options options = options_;
  options.port = port();
  const auto second = HttpServer::Bind(options);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(
      second.status().message(),
      HasSubstr("Address already in use; stop the program that has it"));
  options.host = "256.0.0.1";
  EXPECT_THAT(HttpServer::Bind(options).status().message(),
              HasSubstr("give an address of this machine to --host"));
}

}  // namespace
}  // namespace server
