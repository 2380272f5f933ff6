#include "cc/server/scheduler.h"

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "cc/server/fake_backend.h"
#include "gtest/gtest.h"

namespace server {
namespace {

std::vector<std::unique_ptr<Instance>> Instances(int count, Gate* gate) {
  auto model = FakeLoader(count, gate)("");
  return std::move(model->instances);
}

std::vector<engine::Tensor> Input() {
  return {{"x", engine::DataType::kFloat32, {1, 2}, std::string(8, '\0')}};
}

TEST(Scheduler, RunsAndTells) {
  Gate gate;
  Scheduler scheduler(Instances(2, &gate), 100);
  absl::BlockingCounter done(50);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(scheduler
                    .Enqueue({Input(),
                              [&](auto results, const Timing& timing) {
                                EXPECT_TRUE(results.ok());
                                EXPECT_EQ(results->size(), 2u);
                                EXPECT_GE(timing.queue.count(), 0);
                                done.DecrementCount();
                              }})
                    .ok());
  }
  done.Wait();
  EXPECT_EQ(scheduler.queued(), 0u);
}

TEST(Scheduler, QueueIsBounded) {
  Gate gate;
  gate.Close();
  Scheduler scheduler(Instances(2, &gate), 3);
  absl::BlockingCounter done(5);
  const auto enqueue = [&] {
    return scheduler.Enqueue(
        {Input(), [&](auto, const Timing&) { done.DecrementCount(); }});
  };
  // Two run and three wait.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(enqueue().ok()) << i;
  gate.AwaitWaiting(2);
  EXPECT_EQ(scheduler.queued(), 3u);
  EXPECT_EQ(enqueue().code(), absl::StatusCode::kResourceExhausted);
  gate.Open();
  done.Wait();
}

TEST(Scheduler, WithoutAQueueAnIdleInstanceStillTakesARequest) {
  Gate gate;
  gate.Close();
  Scheduler scheduler(Instances(1, &gate), 0);
  absl::BlockingCounter done(1);
  EXPECT_TRUE(
      scheduler
          .Enqueue(
              {Input(), [&](auto, const Timing&) { done.DecrementCount(); }})
          .ok());
  gate.AwaitWaiting(1);
  EXPECT_FALSE(scheduler.Enqueue({Input(), [](auto, const Timing&) {}}).ok());
  gate.Open();
  done.Wait();
}

TEST(Scheduler, StopFinishesWhatRunsAndDropsWhatWaits) {
  Gate gate;
  gate.Close();
  Scheduler scheduler(Instances(1, &gate), 10);
  int done = 0;
  auto dropped = std::make_shared<int>();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(scheduler
                    .Enqueue({Input(), [&done, dropped](
                                           auto, const Timing&) { ++done; }})
                    .ok());
  }
  gate.AwaitWaiting(1);
  std::thread stopper([&] { scheduler.Stop(); });
  while (scheduler.queued() > 0) std::this_thread::yield();
  gate.Open();
  stopper.join();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(dropped.use_count(), 1);
}

}  // namespace
}  // namespace server
