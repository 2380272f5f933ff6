// A server and workers that are real processes; the model is made up: a worker
// doubles bytes, and does what the first byte says.
#include "cc/worker/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "cc/base/copy_counter.h"
#include "cc/worker/channel.h"
#include "cc/worker/messages.h"
#include "cc/worker/progress.h"
#include "cc/worker/segment.h"

namespace worker {
namespace {

using infer::BatchInput;
using infer::BatchResult;

// What a made-up worker is told to do.
constexpr char kCrash = 'C';
constexpr char kHang = 'H';
constexpr char kWild = 'W';  // crashes, and has written where it must not
constexpr char kLie = 'L';
constexpr char kFail = 'F';
constexpr char kReleased = 'R';  // answers how many segments were released

Loaded Describe(const LoadOptions& options) {
  Loaded loaded;
  if (absl::StrContains(options.directory, "broken")) {
    loaded.status = absl::DataLossError("model.pdiparams is cut off");
  }
  if (absl::StrContains(options.directory, "crash")) abort();
  loaded.inputs = {{"x", base::DataType::kUint8, {-1, 4}}};
  loaded.outputs = {{"y", base::DataType::kUint8, {-1, 4}}};
  return loaded;
}

int MadeUpWorker(Channel control, std::vector<Channel> slots) {
  // No core dumps of crashes that are meant.
  LoadOptions options;
  auto message = control.Receive(/*wait=*/true);
  if (!message.ok() || !Decode((*message)->bytes, &options)) return 1;
  const Loaded loaded = Describe(options);
  if (!control.Send(Encode(loaded)).ok() || !loaded.status.ok()) return 1;
  std::unique_ptr<Segment> inputs, outputs;
  while (true) {
    auto message = slots[0].Receive(/*wait=*/true);
    if (!message.ok()) return 0;
    Run run;
    Ran ran;
    if (!Decode((*message)->bytes, &run)) return 1;
    if (run.release_memory && options.directory == "fragile") return 1;
    std::vector<int> fds;
    if (run.new_segment) {
      auto opened = Segment::Open((*message)->fds[0], true);
      if (!opened.ok()) return 1;
      inputs = *std::move(opened);
    }
    int64_t written = 0;
    for (size_t i = 0; i < run.inputs.size(); ++i) {
      const std::vector<RunInput>& input = run.inputs[i];
      Progress(inputs->data()).Begin(i);
      const Place place = input[0].place;
      const char* const from = inputs->data() + place.offset;
      const char what = from[0];
      if (what == kWild) std::memset(inputs->data(), 0, inputs->size());
      if (what == kCrash || what == kWild) {
        signal(SIGSEGV, SIG_DFL);  // a sanitizer has a handler
        raise(SIGSEGV);
      }
      if (what == kHang) pause();
      RunResult& result = ran.results.emplace_back();
      if (from[0] == kFail) {
        result.status = absl::InvalidArgumentError("no");
        continue;
      }
      if (outputs == nullptr) {
        auto made = Segment::Create(1 << 20);
        if (!made.ok()) return 1;
        outputs = *std::move(made);
        ran.segments = {1};
        fds = {outputs->fd()};
      }
      char* const to = outputs->data() + written;
      for (int64_t i = 0; i < place.bytes; ++i) {
        to[i] = static_cast<char>(2 * from[i]);
      }
      if (from[0] == kReleased) to[0] = static_cast<char>(run.released.size());
      result.outputs = {{{1, written, from[0] == kLie ? 2 << 20 : place.bytes},
                         base::DataType::kUint8,
                         input[0].shape,
                         {}}};
      written += place.bytes;
    }
    if (!slots[0].Send(Encode(ran), fds).ok()) return 0;
  }
}

class ProcessTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto spawner = Spawner::Start(MadeUpWorker, /*max_memory_mb=*/0);
    ASSERT_TRUE(spawner.ok()) << spawner.status();
    spawner_ = spawner->release();
  }
  static void TearDownTestSuite() { delete spawner_; }

  void SetUp() override { spawner_->Attach(&loop_, nullptr); }

  std::unique_ptr<infer::Executor> Start(const std::string& directory,
                                         int run_timeout_ms = 0) {
    ProcessOptions options;
    options.run_timeout = std::chrono::milliseconds(run_timeout_ms);
    backend_ = std::make_unique<ProcessBackend>(&loop_, spawner_, options);
    return backend_->Start(directory, {}, {}, /*awaited=*/false,
                           {[this](absl::Status status, infer::LoadedModel) {
                              loaded_ = std::move(status);
                              loop_.Stop();
                            },
                            [this](const std::string& why) {
                              ended_ = why;
                              loop_.Stop();
                            }});
  }
  // Serves until somebody has something to tell.
  void Wait() { loop_.Run(); }
  BatchResult Run(infer::Executor* executor, const std::string& bytes) {
    const absl::Cord data(bytes);
    BatchInput input{{1, 4}, {}, {&data}, bytes.size(), 0, 4};
    BatchResult result;
    bool done = false;
    executor->RunAll(0, {{input}}, {[&](BatchResult r) {
                       result = std::move(r);
                       done = true;
                       loop_.Stop();
                     }});
    while (!done) Wait();
    return result;
  }

  // Whether each of them has begun, by what the end of the worker says.
  std::vector<bool> RunTogether(infer::Executor* executor,
                                const std::vector<std::string>& bytes) {
    std::vector<absl::Cord> data(bytes.begin(), bytes.end());
    std::vector<std::vector<BatchInput>> runs;
    std::vector<bool> begun;
    std::vector<infer::Executor::Done> dones;
    for (const absl::Cord& each : data) {
      runs.push_back({{{1, 4}, {}, {&each}, 4, 0, 4}});
      dones.push_back([&](BatchResult result) {
        EXPECT_FALSE(result.status.ok());
        begun.push_back(result.begun);
      });
    }
    executor->RunAll(0, runs, std::move(dones));
    while (begun.size() < bytes.size()) Wait();
    return begun;
  }

  static Spawner* spawner_;
  base::Loop loop_;
  std::unique_ptr<ProcessBackend> backend_;
  absl::Status loaded_;
  std::string ended_;
};
Spawner* ProcessTest::spawner_ = nullptr;

TEST_F(ProcessTest, ASegmentIsReleasedOnceItsAnswerIsReadAndNotBefore) {
  const auto executor = Start("good");
  Wait();
  const auto released = [&] {
    const BatchResult told = Run(executor.get(), "R---");
    return static_cast<int>(std::string(told.outputs.at(0).data)[0]);
  };
  {
    const BatchResult read = Run(executor.get(), "abcd");
    EXPECT_EQ(released(), 0);
    EXPECT_EQ(released(), 1);  // what the line above has read
  }
  EXPECT_EQ(released(), 2);
}

TEST_F(ProcessTest, RunsInAProcessOfItsOwn) {
  const auto executor = Start("good");
  Wait();
  ASSERT_TRUE(loaded_.ok()) << loaded_;
  const BatchResult result = Run(executor.get(), "abcd");
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.outputs[0].name, "y");
  EXPECT_EQ(std::string(result.outputs[0].data), "\xc2\xc4\xc6\xc8");
}

TEST_F(ProcessTest, TensorBytesAreCopiedOnceOnTheirWayIn) {
  const auto executor = Start("good");
  Wait();
  const uint64_t before = base::copied_tensor_bytes;
  const BatchResult result = Run(executor.get(), std::string(4000, 'x'));
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(base::copied_tensor_bytes - before, 4000u);
}

TEST_F(ProcessTest, PartsFollowOneAnotherAndPaddingRepeatsTheLastRow) {
  const auto executor = Start("good");
  Wait();
  const absl::Cord a("abcd"), b("efghijkl");
  BatchInput input{{4, 4}, {}, {&a, &b}, 12, 1, 4};
  std::string got;
  executor->RunAll(0, {{input}}, {[&](BatchResult r) {
                     got = std::string(r.outputs[0].data);
                     loop_.Stop();
                   }});
  Wait();
  for (char& c : got) c = static_cast<char>(static_cast<unsigned char>(c) / 2);
  EXPECT_EQ(got, "abcdefghijklijkl");
}

TEST_F(ProcessTest, RunsThatGoTogetherHaveAnswersOfTheirOwn) {
  const auto executor = Start("good");
  Wait();
  const absl::Cord a("abcd"), refused("Fghi"), c("klmn");
  std::vector<std::vector<BatchInput>> runs;
  for (const absl::Cord* data : {&a, &refused, &c}) {
    runs.push_back({{{1, 4}, {}, {data}, 4, 0, 4}});
  }
  std::vector<BatchResult> results;
  const auto note = [&](BatchResult result) {
    results.push_back(std::move(result));
    if (results.size() == 3) loop_.Stop();
  };
  executor->RunAll(0, runs, {note, note, note});
  Wait();
  EXPECT_EQ(std::string(results[0].outputs[0].data), "\xc2\xc4\xc6\xc8");
  EXPECT_TRUE(absl::IsInvalidArgument(results[1].status)) << results[1].status;
  EXPECT_EQ(std::string(results[2].outputs[0].data), "\xd6\xd8\xda\xdc");
}

TEST_F(ProcessTest, WhatAModelRefusesEndsNothing) {
  const auto executor = Start("good");
  Wait();
  EXPECT_TRUE(
      absl::IsInvalidArgument(Run(executor.get(), std::string("F...")).status));
  EXPECT_TRUE(Run(executor.get(), "abcd").status.ok());
}

TEST_F(ProcessTest, ACrashCostsTheRequestThatItComputed) {
  const auto executor = Start("good");
  Wait();
  const BatchResult result = Run(executor.get(), "C...");
  EXPECT_TRUE(absl::IsInternal(result.status)) << result.status;
  EXPECT_THAT(std::string(result.status.message()),
              testing::ContainsRegex("ended by signal 11"));
  EXPECT_EQ(ended_, "was ended by signal 11 (Segmentation fault)");
}

TEST_F(ProcessTest, ACrashCostsNoneOfThoseThatWentWithIt) {
  const auto executor = Start("good");
  Wait();
  EXPECT_THAT(RunTogether(executor.get(), {"abcd", "C...", "efgh"}),
              testing::ElementsAre(false, true, false));
}

TEST_F(ProcessTest, WhatWasSentToAWorkerThatNeverSawItCanRunAgain) {
  const auto executor = Start("fragile");
  Wait();
  executor->ReleaseMemory(0);
  EXPECT_THAT(RunTogether(executor.get(), {"abcd", "efgh"}),
              testing::ElementsAre(false, false));
}

TEST_F(ProcessTest, NothingRunsAgainWhereAModelWroteOverWhatTellsOfIt) {
  const auto executor = Start("good");
  Wait();
  EXPECT_THAT(RunTogether(executor.get(), {"abcd", "W...", "efgh"}),
              testing::ElementsAre(true, true, true));
}

TEST_F(ProcessTest, AnAnswerIsReleasedWhenItIsReadAndNoSooner) {
  const auto executor = Start("good");
  Wait();
  const auto released = [&] {
    return std::string(Run(executor.get(), "R...").outputs[0].data)[0];
  };
  {
    const BatchResult held = Run(executor.get(), "abcd");
    EXPECT_EQ(released(), 0);
  }
  // That one, and the answer before.
  EXPECT_EQ(released(), 2);
  EXPECT_EQ(released(), 1);
}

TEST_F(ProcessTest, ARunThatCannotBeSentLeavesTheNextRight) {
  const auto executor = Start("good");
  Wait();
  const absl::Cord data("abcd");
  // More offsets than a message has room for.
  BatchInput input{{1, 4}, {std::vector<int64_t>(1 << 20)}, {&data}, 4, 0, 4};
  absl::Status status;
  executor->RunAll(0, {{input}}, {[&](BatchResult result) {
                     status = result.status;
                     EXPECT_TRUE(result.begun);
                     loop_.Stop();
                   }});
  Wait();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  const BatchResult result = Run(executor.get(), "abcd");
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(std::string(result.outputs[0].data), "\xc2\xc4\xc6\xc8");
}

TEST_F(ProcessTest, ARunAfterTheEndHasNotBegun) {
  const auto executor = Start("good");
  Wait();
  Run(executor.get(), "C...");
  const absl::Cord data("abcd");
  BatchInput input{{1, 4}, {}, {&data}, 4, 0, 4};
  BatchResult result;
  executor->RunAll(0, {{input}}, {[&](BatchResult r) {
                     result = std::move(r);
                     loop_.Stop();
                   }});
  Wait();
  EXPECT_FALSE(result.status.ok());
  EXPECT_FALSE(result.begun);
}

TEST_F(ProcessTest, AnAnswerOutlivesItsWorker) {
  const auto executor = Start("good");
  Wait();
  const BatchResult result = Run(executor.get(), "abcd");
  Run(executor.get(), "C...");
  EXPECT_EQ(std::string(result.outputs[0].data), "\xc2\xc4\xc6\xc8");
}

TEST_F(ProcessTest, ARunThatTakesTooLongIsEnded) {
  const auto executor = Start("good", /*run_timeout_ms=*/50);
  Wait();
  const BatchResult result = Run(executor.get(), "H...");
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status)) << result.status;
  EXPECT_THAT(ended_, testing::ContainsRegex("--run_timeout_ms=50"));
}

TEST_F(ProcessTest, OutputsThatLieNowhereEndTheWorkerNotUs) {
  const auto executor = Start("good");
  Wait();
  EXPECT_TRUE(absl::IsInternal(Run(executor.get(), "L...").status));
  EXPECT_EQ(ended_, "sent outputs that lie nowhere");
}

TEST_F(ProcessTest, NothingRunsAgainWhoseAnswerMakesNoSense) {
  const auto executor = Start("good");
  Wait();
  EXPECT_THAT(RunTogether(executor.get(), {"abcd", "L...", "efgh"}),
              testing::ElementsAre(true, true, true));
}

TEST_F(ProcessTest, AModelThatCannotBeLoadedSaysWhy) {
  const auto executor = Start("broken");
  Wait();
  EXPECT_TRUE(absl::IsDataLoss(loaded_)) << loaded_;
  EXPECT_EQ(loaded_.message(), "model.pdiparams is cut off");
}

TEST_F(ProcessTest, AModelThatCannotBeLoadedDoesNotEndBesides) {
  for (int i = 0; i < 10; ++i) {
    const auto executor = Start("broken");
    Wait();
    EXPECT_TRUE(absl::IsDataLoss(loaded_)) << loaded_;
    // What ends later is heard later.
    const auto later = Start("crash");
    Wait();
    EXPECT_TRUE(absl::IsInternal(loaded_)) << loaded_;
    EXPECT_EQ(ended_, "");
  }
}

TEST_F(ProcessTest, ACrashAmidALoadIsToldAsSuch) {
  const auto executor = Start("crash");
  Wait();
  EXPECT_TRUE(absl::IsInternal(loaded_)) << loaded_;
  EXPECT_THAT(std::string(loaded_.message()),
              testing::ContainsRegex("signal 6"));
}

TEST_F(ProcessTest, MemoryIsGivenBackBetweenRuns) {
  const auto executor = Start("good");
  Wait();
  EXPECT_TRUE(Run(executor.get(), "abcd").status.ok());
  executor->ReleaseMemory(0);
  // At once, before it has answered that.
  EXPECT_TRUE(Run(executor.get(), "abcd").status.ok());
}

TEST_F(ProcessTest, OneThatIsLetGoEnds) {
  for (int i = 0; i < 20; ++i) {
    const auto executor = Start("good");
    Wait();
    EXPECT_TRUE(Run(executor.get(), "abcd").status.ok());
  }
  // The last ones are still being reaped; others could not be begun if the
  // process had run out of anything.
  const auto executor = Start("good");
  Wait();
  EXPECT_TRUE(loaded_.ok());
}

}  // namespace
}  // namespace worker
