#include "cc/engine/gate.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

constexpr unsigned kHangs = 60;  // s

int CodeOf(pid_t child) {
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Gate, LetsInstancesRunTogetherAndLoadsAlone) {
  std::atomic<int> runs{0};
  std::atomic<int> loads{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Turn turn;
      for (int round = 0; round < 500; ++round) {
        if (i == 0 && round % 10 == 0) {
          const Gate::Load load;
          wrong += ++loads != 1 || runs != 0;
          --loads;
          continue;
        }
        const Gate::Run run(&turn);
        ++runs;
        wrong += loads != 0;
        std::this_thread::yield();
        --runs;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  // Both are inside, or this would hang.
  Turn one;
  Turn other;
  const Gate::Run first(&one);
  const Gate::Run second(&other);
  EXPECT_TRUE(first.status().ok() && second.status().ok());
}

TEST(Gate, GivesEachInstanceToOneThread) {
  Turn turn;
  int inside = 0;  // would race without the turn
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 1000; ++round) {
        const Gate::Run run(&turn);
        ++inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(inside, 4000);
}

TEST(Gate, IsOpenInAChildWhoseForkFoundItQuiet) {
  Turn turn;
  {
    const Gate::Run run(&turn);
  }
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(kHangs);
    bool good = true;
    {
      const Gate::Run run(&turn);
      good = run.status().ok();
    }
    const Gate::Load load;
    _exit(good && load.status().ok() ? 0 : 1);
  }
  EXPECT_EQ(CodeOf(child), 0);
}

// After two seconds the fork goes on without the thread that is inside.
TEST(Gate, IsShutInAChildThatWasForkedAmidALoad) {
  absl::Notification inside;
  absl::Notification over;
  std::thread loads([&] {
    const Gate::Load load;
    inside.Notify();
    over.WaitForNotification();
  });
  inside.WaitForNotification();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(kHangs);
    Turn turn;
    const Gate::Run run(&turn);
    const Gate::Load load;
    // And so is it in the child's own.
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      const Gate::Load again;
      _exit(absl::IsFailedPrecondition(again.status()) ? 0 : 1);
    }
    _exit(absl::IsFailedPrecondition(run.status()) &&
                  absl::IsFailedPrecondition(load.status())
              ? CodeOf(grandchild)
              : 1);
  }
  EXPECT_EQ(CodeOf(child), 0);
  over.Notify();
  loads.join();
  const Gate::Load load;
  EXPECT_TRUE(load.status().ok());
}

}  // namespace
}  // namespace engine
