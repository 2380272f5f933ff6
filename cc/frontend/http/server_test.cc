#include "cc/frontend/http/server.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cc/frontend/http/server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace http {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(ServerTest, KeepsTheConnectionAndAnswersInOrder) {
  Start();
  Client client(port());
  client.Send(PostOf("/echo", "one") + PostOf("/later", "two") +
              PostOf("/echo", "three") +
              PostOf("/echo", "four", "Connection: close\r\n"));
  const std::string text = client.ReadAll();
  EXPECT_TRUE(client.closed());
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\n"
                               "Content-Type: text/plain\r\n"
                               "Content-Length: 3\r\n"
                               "Connection: keep-alive\r\nDate: "));
  EXPECT_THAT(text, ContainsRegex("Date: [A-Z][a-z][a-z], [0-9][0-9] "
                                  "[A-Z][a-z][a-z] 20[0-9][0-9] "
                                  "[0-9:]+ GMT\r\n\r\none"));
  EXPECT_LT(text.find("one"), text.find("two"));
  EXPECT_LT(text.find("two"), text.find("three"));
  EXPECT_THAT(text, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(text, EndsWith("\r\n\r\nfour"));
}

TEST_F(ServerTest, ServesManyClientsAtOnce) {
  Start();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      Client client(port());
      const std::string body(1000 + i, static_cast<char>('a' + i));
      for (int j = 0; j < 50; ++j) {
        client.Send(PostOf(j % 2 ? "/echo" : "/later", body));
        ASSERT_EQ(client.ReadAnswer(), body);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Counts counts = CountsNow();
  EXPECT_EQ(counts.accepted, 8u);
  EXPECT_EQ(counts.requests, 400u);
  EXPECT_GT(counts.bytes_in, 400'000u);
  EXPECT_GT(counts.bytes_out, 400'000u);
}

TEST_F(ServerTest, TakesLargeBodiesWhateverTheirFraming) {
  options_.limits.body_bytes = 64 << 20;
  Start();
  std::string body(3'000'000, '\0');
  for (size_t i = 0; i < body.size(); ++i) {
    body[i] = static_cast<char>(i * 2654435761u >> 24);
  }
  Client client(port());
  std::thread sender([&] { client.Send(PostOf("/echo", body)); });
  EXPECT_TRUE(client.ReadAnswer() == body);
  sender.join();
  for (const size_t chunk : {1u, 7u, 1000u, 5000u, 100'000u}) {
    std::string text =
        "POST /echo HTTP/1.1\r\nHost: h\r\n"
        "Transfer-Encoding: chunked\r\n\r\n";
    const std::string part = body.substr(0, chunk == 1 ? 100'000 : 3'000'000);
    for (size_t at = 0; at < part.size(); at += chunk) {
      const std::string piece = part.substr(at, chunk);
      absl::StrAppend(&text, absl::Hex(piece.size()), "\r\n", piece, "\r\n");
    }
    text += "0\r\n\r\n" + PostOf("/echo", "next");
    std::thread chunks([&] { client.Send(text); });
    EXPECT_TRUE(client.ReadAnswer() == part) << chunk;
    EXPECT_EQ(client.ReadAnswer(), "next");
    chunks.join();
  }
}

TEST_F(ServerTest, HoldsNoMemoryForIdleConnections) {
  Start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    clients.back()->Send(PostOf(i % 2 ? "/echo" : "/later", "hello"));
    EXPECT_EQ(clients.back()->ReadAnswer(), "hello");
    if (i < 10) clients.back()->Send("POST /echo HTTP/1.1\r\nHo");
  }
  AwaitConnections(20);
  size_t held = 1;
  OnLoop([&] { held = budget_->held(); });
  EXPECT_EQ(held, 0u);
}

TEST_F(ServerTest, ABudgetThatIsUsedUpIsAnswered503) {
  options_.limits.body_bytes = 1 << 20;
  budget_ = std::make_unique<base::ByteBudget>(100'000);
  Start();
  Client large(port());
  EXPECT_TRUE(large.Send(PostOf("/echo", std::string(500'000, 'x'))));
  const std::string text = large.ReadAll();
  EXPECT_THAT(text, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_TRUE(large.closed());
  // Others hold it all.
  Client first(port());
  first.Send(PostOf("/keep", ""));
  handler_.AwaitKept(1);
  OnLoop([&] { EXPECT_TRUE(budget_->Take(100'000)); });
  Client second(port());
  second.Send(PostOf("/echo", "small"));
  EXPECT_THAT(second.ReadAll(), StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(second.closed());
  AnswerKept("done");
  EXPECT_EQ(first.ReadAnswer(), "done");
  OnLoop([&] { budget_->Release(100'000); });
  first.Send(PostOf("/echo", "again"));
  EXPECT_EQ(first.ReadAnswer(), "again");
}

TEST_F(ServerTest, AnswersHeadWithoutBodyAndErrorsAfterItWithOne) {
  Start();
  Client client(port());
  client.Send(
      "HEAD /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("Content-Length: 4\r\n"));
  client.Send("HEAD /refuse HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  client.Send("nonsense\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), EndsWith("\r\n\r\nmalformed request line"));
}

TEST_F(ServerTest, SendsContinueToAClientThatWaits) {
  Start();
  Client client(port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
      "Content-Length: 4\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("body");
  EXPECT_EQ(client.ReadAnswer(), "body");
  // The body has come: nobody waits.
  client.Send(PostOf("/echo", "body", "Expect: 100-continue\r\n"));
  EXPECT_THAT(client.ReadUntil("body"), StartsWith("HTTP/1.1 200 "));
  client.Send(PostOf("/echo", "", "Expect: 100-continue\r\n"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  // HTTP/1.0 knows no 100.
  client.Send(
      "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\n"
      "Content-Length: 4\r\n\r\n");
  client.Send("body");
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, AHandlerRefusesByTheHeadBeforeTheUpload) {
  Start();
  {
    Client client(port());
    client.Send(
        "POST /refuse HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
        "Content-Length: 4000\r\n\r\n");
    const std::string text = client.ReadAll();
    EXPECT_THAT(text, StartsWith("HTTP/1.1 404 Not Found\r\n"));
    EXPECT_THAT(text, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(text, EndsWith("refused 4000"));
    EXPECT_TRUE(client.closed());
  }
  {
    // All of it is sent before the answer is read, as many clients do.
    Client client(port());
    client.Send(
        "POST /refuse HTTP/1.1\r\nHost: h\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(client.Send("1000\r\n" + std::string(4096, 'x') + "\r\n"));
    }
    EXPECT_THAT(client.ReadAll(), EndsWith("refused 0"));
    EXPECT_TRUE(client.closed());
  }
  // What has come whole costs no connection.
  Client client(port());
  client.Send(PostOf("/refuse", "body") +
              "GET /refuse HTTP/1.1\r\nHost: h\r\n\r\n" +
              PostOf("/echo", "next"));
  EXPECT_EQ(client.ReadAnswer(), "refused 4");
  EXPECT_EQ(client.ReadAnswer(), "refused 0");
  EXPECT_EQ(client.ReadAnswer(), "next");
}

TEST_F(ServerTest, AnswersAClientThatHasFinishedSending) {
  Start();
  Client client(port());
  client.Send(PostOf("/later", "one") + PostOf("/later", "two"));
  client.FinishSending();
  EXPECT_EQ(client.ReadAnswer(), "one");
  EXPECT_EQ(client.ReadAnswer(), "two");
  EXPECT_EQ(client.ReadAll(), "");
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, TellsWhenAClientGoesBeforeItsAnswer) {
  Start();
  {
    Client closes(port());
    closes.Send(PostOf("/watch", "x"));
    Client resets(port());
    resets.Send(PostOf("/watch", "x"));
    resets.CloseHard();
    handler_.AwaitKept(2);
  }
  handler_.AwaitGone(2);
  // Nobody is told of what is answered, whenever its client goes.
  {
    Client client(port());
    client.Send(PostOf("/watch", "x"));
    handler_.AwaitKept(3);
    AnswerKept("answer");
    EXPECT_EQ(client.ReadAnswer(), "answer");
  }
  AwaitConnections(0);
  OnLoop([] {});
  handler_.AwaitGone(2);
}

TEST_F(ServerTest, TellsWhoeverAsksLateThatTheClientHasGone) {
  Start();
  {
    Client client(port());
    client.Send(PostOf("/keep", "x"));
    client.CloseHard();
    handler_.AwaitKept(1);
  }
  AwaitConnections(0);
  absl::Notification gone;
  bool within = false;
  OnLoop([&] {
    const auto kept = handler_.TakeKept();
    kept[0]->OnGone([&] { gone.Notify(); });
    within = gone.HasBeenNotified();
  });
  EXPECT_FALSE(within);
  gone.WaitForNotification();
}

TEST_F(ServerTest, ReadsAheadWithinBounds) {
  Start();
  Client client(port());
  client.Send(PostOf("/keep", "x"));
  handler_.AwaitKept(1);
  // Far more than the server and both kernels hold for it.
  std::thread sender([&] {
    for (int i = 0; i < 3'000; ++i) {
      ASSERT_TRUE(client.Send(PostOf("/echo", std::string(9'000, 'x'))));
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  size_t held = 0;
  OnLoop([&] { held = budget_->held(); });
  EXPECT_LE(held, 2 * Block::kUsual);
  AnswerKept("first");
  EXPECT_EQ(client.ReadAnswer(), "first");
  for (int i = 0; i < 3'000; ++i) {
    ASSERT_EQ(client.ReadAnswer().size(), 9'000u);
  }
  sender.join();
}

TEST_F(ServerTest, RefusesWhatIsMalformedOrTooLargeInTheHandlersWords) {
  Start();
  {
    Client client(port());
    client.Send("nonsense\r\n\r\n");
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_TRUE(client.closed());
  }
  {
    Client client(port());
    client.Send(PostOf("/echo", "", "Only-Once: 1\r\nonly-once: 1\r\n"));
    EXPECT_THAT(client.ReadAll(), EndsWith("header Only-Once stands twice"));
  }
  {
    // All of it is sent before the answer is read, as many clients do.
    Client client(port());
    EXPECT_TRUE(client.Send(PostOf("/echo", std::string(5'000'000, 'x'))));
    const std::string text = client.ReadAll();
    EXPECT_THAT(text, StartsWith("HTTP/1.1 413 Content Too Large\r\n"));
    EXPECT_THAT(text, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(text, EndsWith("exceeds the limit of 10000 bytes"));
    EXPECT_TRUE(client.closed());
  }
  Client client(port());
  client.Send(PostOf("/echo", "still here"));
  EXPECT_EQ(client.ReadAnswer(), "still here");
}

TEST_F(ServerTest, AHandlerThatForgetsToAnswerIsAnError) {
  Start();
  Client client(port());
  client.Send(PostOf("/drop", ""));
  EXPECT_EQ(client.ReadAnswer(), "the request was dropped");
}

TEST_F(ServerTest, WantOfMemoryEndsOneConnectionOnly) {
  Start();
  Client client(port());
  client.Send(PostOf("/echo", "fine"));
  EXPECT_EQ(client.ReadAnswer(), "fine");
  Client poor(port());
  poor.Send(PostOf("/throw", ""));
  EXPECT_THAT(poor.ReadAll(), StartsWith("HTTP/1.1 500 "));
  EXPECT_TRUE(poor.closed());
  EXPECT_EQ(CountsNow().failed, 1u);
  client.Send(PostOf("/echo", "still fine"));
  EXPECT_EQ(client.ReadAnswer(), "still fine");
}

TEST_F(ServerTest, ConnectionsAreBounded) {
  options_.max_connections = 2;
  Start();
  auto first = std::make_unique<Client>(port());
  Client second(port());
  first->Send(PostOf("/echo", "first"));
  EXPECT_EQ(first->ReadAnswer(), "first");
  second.Send(PostOf("/echo", "second"));
  EXPECT_EQ(second.ReadAnswer(), "second");
  {
    Client third(port());
    const std::string text = third.ReadAll();
    EXPECT_THAT(text, HasSubstr("503 Service Unavailable"));
    EXPECT_THAT(text, HasSubstr("Retry-After: 1\r\n"));
    EXPECT_TRUE(third.closed());
  }
  EXPECT_EQ(CountsNow().turned_away, 1u);
  first.reset();
  AwaitConnections(1);
  Client fourth(port());
  fourth.Send(PostOf("/echo", "fourth"));
  EXPECT_EQ(fourth.ReadAnswer(), "fourth");
}

TEST_F(ServerTest, GoneClientsDoNoHarm) {
  Start();
  for (int i = 0; i < 20; ++i) {
    Client client(port());
    client.Send(PostOf(i % 2 ? "/later" : "/keep", "x"));
  }
  handler_.AwaitKept(10);
  AnswerKept("nobody reads this");
  Client client(port());
  client.Send(PostOf("/echo", "alive"));
  EXPECT_EQ(client.ReadAnswer(), "alive");
}

TEST_F(ServerTest, RepliesMayOutliveTheServer) {
  Start();
  Client client(port());
  client.Send(PostOf("/watch", "x"));
  handler_.AwaitKept(1);
  OnLoop([&] { server_.reset(); });
  EXPECT_EQ(client.ReadAll(), "");
  AnswerKept("nobody reads this");
}

TEST_F(ServerTest, AHandlersHeadersCannotEndTheHead) {
  Response response;
  response.headers = {{"X", "a\r\nSet-Cookie: b"}};
  EXPECT_THAT(FormatHead(response, true, "now"),
              EndsWith("Date: now\r\nX: a  Set-Cookie: b\r\n\r\n"));
  response.status = 204;
  EXPECT_THAT(FormatHead(response, true, "now"),
              Not(HasSubstr("Content-Length")));
  Start();
}

TEST_F(ServerTest, FormatsDatesAsHttpDoes) {
  EXPECT_EQ(FormatDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(FormatDate(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  Start();
}

TEST_F(ServerTest, APortIsTakenOnce) {
  Start();
  Server::Options options = options_;
  options.port = port();
  const auto second = Server::Bind(options, &loop_, budget_.get());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(
      second.status().message(),
      HasSubstr("Address already in use; stop the program that has it"));
  options.host = "256.0.0.1";
  EXPECT_THAT(Server::Bind(options, &loop_, budget_.get()).status().message(),
              HasSubstr("give an address of this machine to --host"));
}

}  // namespace
}  // namespace http
