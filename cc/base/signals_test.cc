#include "cc/base/signals.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

namespace base {
namespace {

bool IsReadable(const Signals& signals) {
  pollfd ready = {signals.fd(), POLLIN, 0};
  return poll(&ready, 1, 0) == 1;
}

TEST(SignalsTest, EachIsCountedOnce) {
  const auto signals = *Signals::Count({SIGUSR1, SIGUSR2});
  EXPECT_FALSE(IsReadable(*signals));
  EXPECT_EQ(signals->Take(), 0u);
  raise(SIGUSR1);
  raise(SIGUSR2);
  raise(SIGUSR1);
  EXPECT_TRUE(IsReadable(*signals));
  EXPECT_EQ(signals->Take(), 3u);
  EXPECT_FALSE(IsReadable(*signals));
}

TEST(SignalsTest, WithoutItTheyHaveTheirUsualEffects) {
  Signals::Count({SIGUSR1})->reset();
  EXPECT_EXIT(raise(SIGUSR1), testing::KilledBySignal(SIGUSR1), "");
}

TEST(SignalsTest, AForkedProcessHasItsOwn) {
  const auto signals = *Signals::Count({SIGUSR1});
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const auto own = *Signals::Count({SIGUSR1, SIGCHLD});
    raise(SIGUSR1);
    const bool right = own->Take() == 1;
    _exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(signals->Take(), 0u);
}

TEST(SignalsTest, TheEndOfAChildIsCounted) {
  const auto signals = *Signals::Count({SIGCHLD});
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) _exit(0);
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(signals->Take(), 1u);
}

}  // namespace
}  // namespace base
