#include "cc/base/loop.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace base {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Pair {
 public:
  Pair() { socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_.data()); }
  ~Pair() {
    for (const int fd : fds_) close(fd);
  }
  int ours() const { return fds_[0]; }
  void Bring(const std::string& text) const {
    ASSERT_EQ(write(fds_[1], text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  void Hang() const { shutdown(fds_[1], SHUT_RDWR); }

 private:
  std::array<int, 2> fds_ = {-1, -1};
};

TEST(Loop, CallsWhatIsPostedInOrderOnItsThread) {
  Loop loop;
  ASSERT_TRUE(loop.status().ok()) << loop.status();
  std::vector<int> called;
  std::thread::id thread;
  std::thread running([&] {
    thread = std::this_thread::get_id();
    loop.Run();
  });
  for (int i = 0; i < 1'000; ++i) {
    loop.Post([&called, &thread, i] {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      called.push_back(i);
    });
  }
  loop.Post([&] { loop.Stop(); });
  running.join();
  ASSERT_EQ(called.size(), 1'000u);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(called[i], i);
}

TEST(Loop, TakesPostsFromManyThreads) {
  Loop loop;
  int called = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1'000; ++j) {
        loop.Post([&] {
          if (++called == 4'000) loop.Stop();
        });
      }
    });
  }
  loop.Run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(called, 4'000);
}

TEST(Loop, WhatIsPostedWithinACallComesLater) {
  Loop loop;
  std::vector<std::string> called;
  loop.Post([&] {
    loop.Post([&] {
      called.push_back("second");
      loop.Stop();
    });
    called.push_back("first");
  });
  loop.Run();
  EXPECT_THAT(called, ElementsAre("first", "second"));
}

TEST(Loop, StopBeforeRunCounts) {
  Loop loop;
  loop.Stop();
  loop.Run();
}

TEST(Loop, WhatIsLeftIsDestroyedAndNotCalled) {
  const auto held = std::make_shared<int>();
  {
    Loop loop;
    loop.Post([held] { FAIL(); });
    loop.Defer([held] { FAIL(); });
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Loop, DefersUntilAllThatCameTogetherIsSeen) {
  Loop loop;
  Pair one;
  Pair two;
  std::vector<std::string> called;
  const auto come = [&](bool, bool) {
    called.push_back("come");
    loop.Defer([&] {
      called.push_back("deferred");
      // In the same round, behind the others.
      loop.Defer([&] { loop.Stop(); });
    });
  };
  std::optional<Watch> first;
  std::optional<Watch> second;
  const auto once = [&](std::optional<Watch>* watch) {
    return [&come, watch](bool readable, bool writable) {
      (*watch)->Want(false, false);
      come(readable, writable);
    };
  };
  first.emplace(&loop, one.ours(), once(&first));
  second.emplace(&loop, two.ours(), once(&second));
  first->Want(true, false);
  second->Want(true, false);
  one.Bring("x");
  two.Bring("x");
  loop.Run();
  EXPECT_THAT(called, ElementsAre("come", "come", "deferred", "deferred"));
}

TEST(Loop, WhatIsDeferredBeforeRunIsItsFirstAct) {
  Loop loop;
  loop.Defer([&] { loop.Stop(); });
  loop.Run();
}

TEST(Loop, SaysWhyItCouldNotBeMade) {
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = dup(0);
  close(next);
  for (int more = 0; more < 4; ++more) {
    const rlimit few = {static_cast<rlim_t>(next + more), before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    Loop loop;
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_THAT(std::string(loop.status().message()), HasSubstr("ulimit -n"));
  }
}

TEST(Watch, TellsWhatIsWantedAndNothingElse) {
  Loop loop;
  Pair pair;
  std::string told;
  Watch watch(&loop, pair.ours(), [&](bool readable, bool writable) {
    if (readable) told += "r";
    if (writable) told += "w";
    loop.Stop();
  });
  pair.Bring("x");
  EXPECT_TRUE(watch.Want(false, true));
  loop.Run();
  EXPECT_EQ(told, "w");
}

TEST(Watch, TellsOfAHangUp) {
  Loop loop;
  Pair pair;
  bool told = false;
  Watch watch(&loop, pair.ours(), [&](bool readable, bool) {
    told = readable;
    loop.Stop();
  });
  EXPECT_TRUE(watch.Want(true, false));
  pair.Hang();
  loop.Run();
  EXPECT_TRUE(told);
}

TEST(Watch, MayBeDestroyedInItsOwnCall) {
  Loop loop;
  Pair pair;
  int told = 0;
  const auto held = std::make_shared<int>();
  std::optional<Watch> watch;
  watch.emplace(&loop, pair.ours(), [&, held](bool, bool) {
    ++told;
    watch.reset();
    EXPECT_EQ(held.use_count(), 2);  // the call goes on
    // Not told of what else the socket is ready for.
    loop.Post([&] { loop.Stop(); });
  });
  pair.Bring("x");
  EXPECT_TRUE(watch->Want(true, true));
  loop.Run();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Watch, SaysWhatTheKernelCannotWatch) {
  Loop loop;
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  Watch watch(&loop, file, [](bool, bool) { FAIL(); });
  EXPECT_FALSE(watch.Want(true, true));
  EXPECT_TRUE(watch.Want(false, false));
  loop.Defer([&] { loop.Stop(); });
  loop.Run();
  close(file);
}

TEST(Timer, CallsOnceAfterEachStart) {
  Loop loop;
  int called = 0;
  Timer end(&loop, [&] { loop.Stop(); });
  std::optional<Timer> timer;
  timer.emplace(&loop, [&] {
    if (++called == 2) {
      end.Start(milliseconds(20));
      return;
    }
    timer->Start(milliseconds(1));
  });
  timer->Start(milliseconds(0));
  loop.Run();
  EXPECT_EQ(called, 2);
}

TEST(Timer, ALaterStartAndStopAreHeeded) {
  Loop loop;
  Timer late(&loop, [] { FAIL(); });
  late.Start(milliseconds(1));
  late.Start(std::chrono::hours(1));
  Timer stopped(&loop, [] { FAIL(); });
  stopped.Start(milliseconds(1));
  stopped.Stop();
  Timer end(&loop, [&] { loop.Stop(); });
  end.Start(milliseconds(20));
  loop.Run();
}

TEST(Timer, MayBeDestroyedInItsOwnCall) {
  Loop loop;
  std::optional<Timer> timer;
  timer.emplace(&loop, [&] {
    timer.reset();
    loop.Stop();
  });
  timer->Start(milliseconds(0));
  loop.Run();
  EXPECT_FALSE(timer.has_value());
}

// What is deferred to the next round runs after that round's sockets, and the
// round does not wait for one.
TEST(LoopTest, TheNextRoundDoesNotWait) {
  Loop loop;
  std::string order;
  loop.Defer([&] {
    loop.DeferToNext([&] {
      order += "next";
      loop.Stop();
    });
    loop.Post([&] { order += "socket "; });
    order += "this ";
  });
  loop.Run();
  EXPECT_EQ(order, "this socket next");
}

}  // namespace
}  // namespace base
