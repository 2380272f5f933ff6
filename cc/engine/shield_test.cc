// What docs/engine.md, "What Paddle's cache does not bear", tells of cannot be
// met through the engine: threads end, models are loaded, and shapes are many,
// all while others run. Without the shield runs fail here ("could not execute a
// primitive"), and may end by a signal.
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "cc/engine/engine.h"
#include "cc/engine/test_main.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

constexpr int kShapes = 24;

Tensor Images(const std::string& name, int64_t batch) {
  Tensor tensor{name, DataType::kFloat32, {batch, 3, 32, 32}, "", {}};
  for (int64_t i = 0; i < batch * 3 * 32 * 32; ++i) {
    const float value = static_cast<float>(i % 11) / 11;
    tensor.data.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return tensor;
}

// The outputs for batches of 1 to kShapes, of an instance that ran alone.
std::vector<std::string> Expected(Engine* engine) {
  std::vector<std::string> expected;
  for (int batch = 1; batch <= kShapes; ++batch) {
    const auto outputs = engine->Run({Images(engine->inputs()[0].name, batch)});
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    expected.push_back(outputs.ok() ? (*outputs)[0].data : "");
  }
  return expected;
}

class Shield : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = LoadFrom(*trained_model);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    first_ = *std::move(loaded);
    expected_ = Expected(first_.get());
  }

  std::unique_ptr<Engine> Clone() {
    auto clone = first_->Clone();
    EXPECT_TRUE(clone.ok()) << clone.status();
    return *std::move(clone);
  }

  // Runs batches of `from` to `to`; how many gave other bits.
  int Wrong(Engine* engine, int from, int to) {
    int wrong = 0;
    for (int batch = from; batch <= to; ++batch) {
      const auto outputs =
          engine->Run({Images(engine->inputs()[0].name, batch)});
      if (outputs.ok() && (*outputs)[0].data == expected_[batch - 1]) continue;
      ++wrong;
      // A child has no other way to tell.
      std::fprintf(
          stderr, "batch %d: %s\n", batch,
          outputs.ok() ? "other bits" : outputs.status().ToString().c_str());
    }
    return wrong;
  }

  std::unique_ptr<Engine> first_;
  std::vector<std::string> expected_;
};

TEST_F(Shield, HoldsWhileThreadsEndModelsAreLoadedAndShapesAreMany) {
  constexpr int kInstances = 4;
  constexpr int kLives = 30;  // threads that use an instance, one after another
  std::atomic<int> wrong{0};
  std::atomic<int> running{kInstances};
  std::vector<std::thread> threads;
  for (int i = 0; i < kInstances; ++i) {
    threads.emplace_back([&, i, instance = Clone().release()] {
      for (int life = 0; life < kLives; ++life) {
        const int from = 1 + (life * 5 + i) % (kShapes - 3);
        std::thread([&] { wrong += Wrong(instance, from, from + 3); }).join();
      }
      delete instance;
      --running;
    });
  }
  int loads = 0;
  for (; running > 0; ++loads) {
    const auto other = LoadFrom(*trained_model);
    EXPECT_TRUE(other.ok()) << other.status();
    wrong += other.ok() ? Wrong(other->get(), 1, 2) : 1;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(loads, 0);
}

// One instance, used by threads that take turns, while another one's end.
TEST_F(Shield, HoldsForAnInstanceThatThreadsPassOn) {
  std::atomic<int> wrong{0};
  const std::unique_ptr<Engine> passed = Clone();
  std::atomic<bool> stop{false};
  std::thread ends([&] {
    const std::unique_ptr<Engine> other = Clone();
    while (!stop) {
      std::thread([&] { wrong += Wrong(other.get(), 1, 1); }).join();
    }
  });
  for (int turn = 0; turn < 100; ++turn) {
    std::thread([&] {
      wrong += Wrong(passed.get(), 1 + turn % 12, 1 + turn % 12);
    }).join();
  }
  stop = true;
  ends.join();
  EXPECT_EQ(wrong, 0);
}

// A child has none of its parent's threads.
TEST_F(Shield, HoldsInAChildProcess) {
  const std::unique_ptr<Engine> clone = Clone();
  ASSERT_EQ(Wrong(clone.get(), 1, 2), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(Wrong(clone.get(), 1, 3) + Wrong(first_.get(), 2, 2));
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(Wrong(clone.get(), 1, 3), 0);
}

// 0: all is as it should be; 1: wrong bits; 2: the engine says that it cannot
// be used. A child that hangs is ended by a signal.
int Judge(const absl::StatusOr<std::vector<Tensor>>& outputs,
          const std::string& expected) {
  if (absl::IsFailedPrecondition(outputs.status())) return 2;
  return outputs.ok() && (*outputs)[0].data == expected ? 0 : 1;
}

int CodeOf(pid_t child) {
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr int kForks = 20;
constexpr unsigned kHangs = 60;  // s

TEST_F(Shield, LetsAChildRunWhateverOthersRanAtItsFork) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> runs;
  std::vector<std::unique_ptr<Engine>> busy;
  for (int i = 0; i < 3; ++i) busy.push_back(Clone());
  for (const auto& engine : busy) {
    runs.emplace_back([&, instance = engine.get()] {
      while (!stop) EXPECT_EQ(Wrong(instance, 1, 3), 0);
    });
  }
  const Tensor images = Images(first_->inputs()[0].name, 2);
  for (int i = 0; i < kForks; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(kHangs);
      // An idle one, and one that another thread of the parent has.
      const int idle = Judge(first_->Run({images}), expected_[1]);
      const int taken = Judge(busy[0]->Run({images}), expected_[1]);
      const bool loads = LoadFrom(*trained_model).ok();
      _exit(idle + taken + (loads ? 0 : 1));
    }
    EXPECT_EQ(CodeOf(child), 0);
  }
  stop = true;
  for (std::thread& thread : runs) thread.join();
}

TEST_F(Shield, LetsNoChildHangThatWasForkedDuringALoad) {
  std::atomic<bool> stop{false};
  std::thread loads([&] {
    while (!stop) EXPECT_TRUE(LoadFrom(*trained_model).ok());
  });
  const Tensor images = Images(first_->inputs()[0].name, 2);
  for (int i = 0; i < kForks; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(kHangs);
      const int idle = Judge(first_->Run({images}), expected_[1]);
      const auto other = LoadFrom(*trained_model);
      _exit(idle == 1 || (idle == 0) != other.ok() ? 1 : 0);
    }
    EXPECT_EQ(CodeOf(child), 0);
  }
  stop = true;
  loads.join();
}

// Takes what there is of threads, under a limit for their stacks.
rlimit TakeAllThreads() {
  rlimit before{};
  getrlimit(RLIMIT_AS, &before);
  rlimit limit = before;
  limit.rlim_cur = 1 << 20;
  setrlimit(RLIMIT_AS, &limit);
  try {
    while (true) std::thread([] { pause(); }).detach();
  } catch (const std::system_error&) {
    return before;
  }
}

// A child begins without threads.
TEST_F(Shield, TellsThatThereIsNoThreadToBeHad) {
  const Tensor images = Images(first_->inputs()[0].name, 2);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(kHangs);
    const rlimit before = TakeAllThreads();
    const absl::Status run = first_->Run({images}).status();
    const absl::Status clone = first_->Clone().status();
    const absl::Status load = LoadFrom(*trained_model).status();
    setrlimit(RLIMIT_AS, &before);
    const bool told = absl::IsResourceExhausted(run) &&
                      absl::IsResourceExhausted(clone) &&
                      absl::IsResourceExhausted(load);
    // With room again it goes on as if nothing had been.
    const int again = Judge(first_->Run({images}), expected_[1]);
    _exit(told ? again : 1);
  }
  EXPECT_EQ(CodeOf(child), 0);
}

TEST_F(Shield, EndsAnInstanceWithoutAThread) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(kHangs);
    TakeAllThreads();
    first_.reset();
    _exit(0);
  }
  EXPECT_EQ(CodeOf(child), 0);
}

// Of what runs have left on the heap.
size_t HeapMegabytes() {
  const struct mallinfo2 info = mallinfo2();
  return (info.uordblks + info.hblkhd) >> 20;
}

// Objects of one shape are 2 to 3 MB.
TEST_F(Shield, KeepsObjectsOfAFewShapesOnly) {
  const auto run = [&](int from, int to) {
    for (int batch = from; batch <= to; ++batch) {
      EXPECT_TRUE(first_->Run({Images(first_->inputs()[0].name, batch)}).ok());
    }
    EXPECT_TRUE(first_->Release().ok());
  };
  run(1, 60);
  const size_t before = HeapMegabytes();
  run(61, 160);
  EXPECT_LT(HeapMegabytes(), before + 60);
}

TEST_F(Shield, MakesOneInstanceServeManyThreads) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back(
        [&, i] { wrong += Wrong(first_.get(), 1 + i, 8 + i); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Shield, GivesTheSameBitsAfterARelease) {
  ASSERT_EQ(Wrong(first_.get(), 1, 3), 0);
  EXPECT_TRUE(first_->Release().ok());
  EXPECT_TRUE(first_->Release().ok());
  EXPECT_EQ(Wrong(first_.get(), 1, 3), 0);
}

}  // namespace
}  // namespace engine
