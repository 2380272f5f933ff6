#include "cc/base/helper_thread.h"

#include <atomic>
#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace base {
namespace {

// Says where it was destroyed.
struct Tracked {
  explicit Tracked(std::thread::id* where) : where(where) {}
  ~Tracked() { *where = std::this_thread::get_id(); }
  std::thread::id* const where;
};

TEST(HelperThread, WorksElsewhereAndComesBack) {
  Loop loop;
  HelperThread helper(&loop, 10);
  std::thread::id worked;
  std::thread::id done;
  std::thread::id destroyed;
  std::atomic<int> ran = 0;  // of four, on two threads
  auto tracked = std::make_shared<Tracked>(&destroyed);
  ASSERT_TRUE(helper.Run(
      [&, tracked] {
        worked = std::this_thread::get_id();
        ++ran;
      },
      [&, tracked] {
        done = std::this_thread::get_id();
        ++ran;
      }));
  tracked.reset();
  ASSERT_TRUE(helper.Run([&] { ++ran; },
                         [&] {
                           ++ran;
                           loop.Stop();
                         }));
  loop.Run();
  EXPECT_EQ(done, std::this_thread::get_id());
  EXPECT_EQ(destroyed, std::this_thread::get_id());
  EXPECT_NE(worked, done);
  EXPECT_EQ(ran, 4);
}

TEST(HelperThread, IsBounded) {
  Loop loop;
  absl::Notification entered;
  absl::Notification go;
  int done = 0;
  HelperThread helper(&loop, 2);
  ASSERT_TRUE(helper.Run(
      [&] {
        entered.Notify();
        go.WaitForNotification();
      },
      [&] { ++done; }));
  entered.WaitForNotification();
  EXPECT_TRUE(helper.Run([] {}, [&] { ++done; }));
  EXPECT_TRUE(helper.Run([] {},
                         [&] {
                           ++done;
                           loop.Stop();
                         }));
  EXPECT_FALSE(helper.Run([] {}, [&] { ++done; }));
  go.Notify();
  loop.Run();
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace base
