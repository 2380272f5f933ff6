// How a server ends: whoever has been heard is answered, and nobody's answer
// is destroyed by a reset.
#include <errno.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cc/frontend/http/server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

using DrainTest = ServerTest;

TEST_F(DrainTest, AnswersWhatRunsAndSaysClose) {
  Start();
  Client running(port());
  Client used(port());
  Client fresh(port());
  running.Send(PostOf("/keep", ""));
  handler_.AwaitKept(1);
  used.Send(PostOf("/echo", "used"));
  EXPECT_EQ(used.ReadAnswer(), "used");
  AwaitConnections(3);
  BeginDrain();
  EXPECT_TRUE(used.SeesTheEnd());
  EXPECT_TRUE(fresh.SeesTheEnd());
  EXPECT_FALSE(Client(port()).connected());
  AnswerKept("in time");
  EXPECT_THAT(running.ReadUntil("in time"), HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(running.SeesTheEnd());
  EXPECT_EQ(AwaitDrained(), 0);
}

TEST_F(DrainTest, ServesAsBeforeUntilTheDelayIsOver) {
  options_.drain_delay = milliseconds(3'000);
  Start();
  Client old(port());
  BeginDrain();
  Client fresh(port());
  for (Client* client : {&old, &fresh}) {
    client->Send(PostOf("/echo", "one"));
    EXPECT_EQ(client->ReadAnswer(), "one");
  }
  EXPECT_TRUE(old.SeesTheEnd());
  EXPECT_TRUE(fresh.SeesTheEnd());
  EXPECT_EQ(AwaitDrained(), 0);
}

TEST_F(DrainTest, ARequestHasBegunWithItsFirstByte) {
  Start();
  Client head(port());
  head.Send("P");
  Client body(port());
  body.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
  Client pipelined(port());
  pipelined.Send(PostOf("/keep", "") + PostOf("/echo", "unread"));
  handler_.AwaitKept(1);
  AwaitConnections(3);
  BeginDrain();
  OnLoop([] {});
  head.Send("OST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(head.ReadAnswer(), "x");
  body.Send("dy");
  EXPECT_EQ(body.ReadAnswer(), "body");
  // What stands behind the last answer is not heard any more.
  AnswerKept("answer");
  EXPECT_EQ(pipelined.ReadAnswer(), "answer");
  for (Client* client : {&head, &body, &pipelined}) {
    EXPECT_TRUE(client->SeesTheEnd());
  }
  EXPECT_EQ(AwaitDrained(), 0);
}

TEST_F(DrainTest, WhatHasComeIsHeardThoughTheServerHasNotLooked) {
  Start();
  Client used(port());
  used.Send(PostOf("/echo", "used"));
  EXPECT_EQ(used.ReadAnswer(), "used");
  std::vector<std::unique_ptr<Client>> fresh;
  OnLoop([&] {
    used.Send(PostOf("/echo", "again"));
    for (int i = 0; i < 100; ++i) {  // more than are accepted in one turn
      fresh.push_back(std::make_unique<Client>(port()));
      fresh.back()->Send(PostOf("/later", "fresh"));
    }
    server_->Drain([this](int cut) { drained_.set_value(cut); });
  });
  EXPECT_EQ(used.ReadAnswer(), "again");
  EXPECT_TRUE(used.SeesTheEnd());
  for (const auto& client : fresh) {
    EXPECT_EQ(client->ReadAnswer(), "fresh");
    EXPECT_TRUE(client->SeesTheEnd());
  }
  EXPECT_EQ(AwaitDrained(), 0);
}

TEST_F(DrainTest, WhoeverAsksTooLateSeesAnEndAndNoReset) {
  Start();
  Client late(port());
  AwaitConnections(1);
  BeginDrain();
  OnLoop([] {});
  EXPECT_TRUE(late.Send(PostOf("/echo", std::string(5'000, 'x'))));
  EXPECT_TRUE(late.SeesTheEnd());
  EXPECT_EQ(AwaitDrained(), 0);
  EXPECT_EQ(CountsNow().requests, 0u);
}

TEST_F(DrainTest, EndsInTimeAndTellsHowManyWereCut) {
  options_.drain_timeout = milliseconds(200);
  Start();
  Client running(port());
  running.Send(PostOf("/watch", ""));
  Client uploading(port());
  uploading.Send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
  Client idle(port());
  handler_.AwaitKept(1);
  AwaitConnections(3);
  BeginDrain();
  EXPECT_EQ(AwaitDrained(), 2);
  handler_.AwaitGone(1);
  EXPECT_EQ(Connections(), 0);
  AnswerKept("too late");
}

TEST_F(DrainTest, ASecondCallEndsTheWait) {
  options_.drain_delay = milliseconds(3'600'000);
  Start();
  Client client(port());
  client.Send(PostOf("/keep", ""));
  handler_.AwaitKept(1);
  BeginDrain();
  OnLoop([&] { server_->Drain([](int) { FAIL(); }); });
  EXPECT_EQ(AwaitDrained(), 1);
}

TEST_F(DrainTest, EndsAtOnceWhereNobodyIs) {
  Start();
  BeginDrain();
  EXPECT_EQ(AwaitDrained(), 0);
}

TEST_F(DrainTest, NoAnswerIsLostAtFullLoad) {
  for (int round = 0; round < 10; ++round) {
    base::Loop loop;
    EchoHandler handler(&loop);
    base::ByteBudget budget(64 << 20);
    auto server = *Server::Bind(options_, &loop, &budget);
    ASSERT_TRUE(server->Listen(&handler).ok());
    std::thread serving([&] { loop.Run(); });

    constexpr int kClients = 8;
    std::atomic<int> running{0};
    std::atomic<uint64_t> answered{0};
    std::atomic<int> reset{0};
    std::atomic<int> torn{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kClients; ++i) {
      threads.emplace_back([&, i] {
        Client client(server->port());
        const std::string body(2'000 + i, 'x');
        for (int j = 0;; ++j) {
          if (j == 20) ++running;
          // Closed before it was read: then no byte of an answer comes, and
          // the end is in good order. All else is an answer.
          const bool sent =
              client.Send(PostOf(j % 2 ? "/echo" : "/later", body));
          const std::string head = client.ReadUntil("\r\n\r\n");
          if (client.error() != 0 || !sent) {
            ++reset;
            return;
          }
          if (head.empty()) return;
          std::string got;
          while (got.size() < body.size()) {
            const std::string some = client.ReadSome(body.size() - got.size());
            if (some.empty()) break;
            got += some;
          }
          if (got != body) {
            ++torn;
            return;
          }
          ++answered;
          if (head.find("Connection: close") != head.npos) return;
        }
      });
    }
    while (running < kClients) std::this_thread::yield();
    std::promise<int> drained;
    Counts counts;
    loop.Post([&] {
      server->Drain([&](int cut) {
        counts = server->counts();
        drained.set_value(cut);
      });
    });
    EXPECT_EQ(drained.get_future().get(), 0);
    for (std::thread& thread : threads) thread.join();
    loop.Stop();
    serving.join();
    EXPECT_EQ(reset, 0);
    EXPECT_EQ(torn, 0);
    EXPECT_EQ(answered, counts.requests);
  }
  Start();
}

// ---- Out of file descriptors

// No more than are open now, and `more`.
class FewDescriptors {
 public:
  explicit FewDescriptors(int more) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int next = dup(0);
    close(next);
    const rlimit few = {static_cast<rlim_t>(next + more), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

TEST_F(DrainTest, WithoutDescriptorsOneIsToldAndTheOthersWait) {
  Start();
  Client used(port());
  used.Send(PostOf("/echo", "used"));
  EXPECT_EQ(used.ReadAnswer(), "used");
  Client told;
  Client waits;
  {
    FewDescriptors few(0);
    told.Connect(port());
    EXPECT_THAT(told.ReadAnswer(), HasSubstr("out of file descriptors"));
    waits.Connect(port());
    waits.Send(PostOf("/echo", "waits"));
    // Whoever is connected is served meanwhile.
    used.Send(PostOf("/echo", "still"));
    EXPECT_EQ(used.ReadAnswer(), "still");
    std::this_thread::sleep_for(milliseconds(300));
    const Counts counts = CountsNow();
    EXPECT_GE(counts.accept_errors, 2u);
    EXPECT_LT(counts.accept_errors, 1'000u);  // it would be 10^5 if it span
  }
  EXPECT_EQ(waits.ReadAnswer(), "waits");
}

TEST_F(DrainTest, EndsWithoutDescriptors) {
  options_.timeouts.linger = milliseconds(50);
  Start();
  Client told;
  Client waits;
  FewDescriptors few(0);
  told.Connect(port());
  EXPECT_THAT(told.ReadAnswer(), HasSubstr("out of file descriptors"));
  waits.Connect(port());
  while (CountsNow().accept_errors < 2) std::this_thread::yield();
  BeginDrain();
  EXPECT_EQ(AwaitDrained(), 0);
}

}  // namespace
}  // namespace http
