#include "cc/infer/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cc/infer/fake_backend.h"

namespace infer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ModelTest : public testing::Test {
 protected:
  ModelTest() {
    options_.name = "m";
    options_.version = "1";
    options_.directory = "m/1";
    options_.batching = Batching::kOn;
    options_.policy.max_rows = 8;
    options_.policy.buckets = {1, 2, 4, 8};
  }

  // What is unanswered is answered by the model's end, into answers_.
  void TearDown() override {
    model_.reset();
    backend_.runs.clear();
    Settle(&loop_);
  }

  void Start() {
    model_ = Model::Start(&loop_, &backend_, options_,
                          std::make_unique<FakeModelObserver>(&seen_),
                          [this](const absl::Status& s) { loaded_ = s; });
    backend_.Load("m/1");
    Settle(&loop_);
  }

  // Two bytes a row.
  std::shared_ptr<Call> Ask(const std::string& bytes,
                            std::vector<std::string> outputs = {},
                            base::Lod lod = {}) {
    Request request;
    request.outputs = std::move(outputs);
    request.inputs.push_back({"x",
                              base::DataType::kUint8,
                              {static_cast<int64_t>(bytes.size() / 2), 2},
                              absl::Cord(bytes),
                              std::move(lod)});
    const auto call =
        std::make_shared<Call>(std::move(request), [this](Call* call) {
          answers_.push_back(call->status.ok()
                                 ? std::string(call->outputs.at(0).data)
                                 : std::string(call->status.message()));
        });
    model_->Start(call);
    return call;
  }

  base::Loop loop_;
  FakeBackend backend_;
  ModelOptions options_;
  FakeModelObserver::Seen seen_;
  std::shared_ptr<Model> model_;
  absl::Status loaded_ = absl::UnknownError("not told");
  std::vector<std::string> answers_;
};

TEST_F(ModelTest, WhatOneRoundBringsIsOneBatchAndEachGetsItsRows) {
  Start();
  Ask("aa");
  Ask("bbcc");
  Ask("dd");
  EXPECT_EQ(backend_.runs.size(), 0u);  // the round is not over
  Settle(&loop_);
  ASSERT_EQ(backend_.runs.size(), 1u);
  EXPECT_EQ(backend_.runs[0].bytes, "aabbccdd");
  EXPECT_THAT(backend_.runs[0].inputs[0].shape, ElementsAre(4, 2));
  backend_.Answer();
  EXPECT_THAT(answers_, ElementsAre("aa", "bbcc", "dd"));
  EXPECT_EQ(seen_.rows, 4);
  EXPECT_EQ(seen_.calls, 3);
}

TEST_F(ModelTest, PaddingIsComputedAndNotAnswered) {
  Start();
  Ask("aabbcc");
  Settle(&loop_);
  EXPECT_EQ(backend_.runs[0].bytes, "aabbcccc");
  backend_.Answer();
  EXPECT_THAT(answers_, ElementsAre("aabbcc"));
  EXPECT_EQ(seen_.rows, 3);
  EXPECT_EQ(seen_.padded_rows, 4);
}

TEST_F(ModelTest, WhatComesWhileItRunsWaitsAndThenGoesTogether) {
  Start();
  Ask("aa");
  Settle(&loop_);
  Ask("bb");
  Settle(&loop_);
  Ask("cc");
  Settle(&loop_);
  EXPECT_EQ(backend_.runs.size(), 1u);
  EXPECT_EQ(model_->queued(), 2u);
  EXPECT_EQ(model_->running(), 1u);
  backend_.Answer();
  Settle(&loop_);
  ASSERT_EQ(backend_.runs.size(), 1u);
  EXPECT_EQ(backend_.runs[0].bytes, "bbcc");
}

TEST_F(ModelTest, BetweenShortRunsTheNextRoundIsWaitedFor) {
  Start();
  Ask("aa");
  Settle(&loop_);
  Ask("bb");
  Settle(&loop_);
  // Whoever is answered asks again at once, and goes with those that waited.
  backend_.Answer();
  EXPECT_EQ(backend_.runs.size(), 0u);
  Ask("cc");
  Settle(&loop_);
  ASSERT_EQ(backend_.runs.size(), 1u);
  EXPECT_EQ(backend_.runs[0].bytes, "bbcc");
}

TEST_F(ModelTest, ShortRunsThatWaitGoToASlotTogetherAndLongOnesDoNot) {
  options_.policy.max_rows = 1;
  options_.policy.buckets.clear();
  Start();
  const auto ask_four = [&](Clock::duration last) {
    Ask("aa");
    Settle(&loop_);
    backend_.compute = last;
    for (const char* bytes : {"bb", "cc", "dd"}) Ask(bytes);
    backend_.Answer();
    Settle(&loop_);
  };
  ask_four(std::chrono::microseconds(100));
  EXPECT_EQ(backend_.runs.size(), 3u);
  while (!backend_.runs.empty()) backend_.Answer();
  EXPECT_THAT(answers_, ElementsAre("aa", "bb", "cc", "dd"));
  for (int i = 0; i < 100; ++i) {
    Ask("aa");
    Settle(&loop_);
    backend_.compute = std::chrono::milliseconds(50);
    backend_.Answer();
  }
  ask_four(std::chrono::milliseconds(50));
  EXPECT_EQ(backend_.runs.size(), 1u);
}

TEST_F(ModelTest, EachSlotRunsABatch) {
  backend_.slots = 2;
  options_.policy.max_rows = 1;
  options_.policy.buckets.clear();
  Start();
  Ask("aa");
  Ask("bb");
  Ask("cc");
  Settle(&loop_);
  ASSERT_EQ(backend_.runs.size(), 2u);
  EXPECT_NE(backend_.runs[0].slot, backend_.runs[1].slot);
}

TEST_F(ModelTest, OffsetsOfSequencesAreAddedUpAndTakenApart) {
  backend_.lod_level = 1;
  Start();
  Ask("aabbcc", {}, {{0, 1, 3}});
  Ask("ddee", {}, {{0, 2}});
  Settle(&loop_);
  ASSERT_EQ(backend_.runs.size(), 1u);
  EXPECT_THAT(backend_.runs[0].inputs[0].lod,
              ElementsAre(ElementsAre(0, 1, 3, 5)));
  EXPECT_THAT(backend_.runs[0].inputs[0].shape, ElementsAre(5, 2));
  backend_.Answer();
  EXPECT_THAT(answers_, ElementsAre("aabbcc", "ddee"));
}

TEST_F(ModelTest, AutoBatchesOnlyWhereBitsAreEqual) {
  options_.batching = Batching::kAuto;
  backend_.loaded.equal_bits = false;
  backend_.loaded.trial = "output y of 2 rows has other bits";
  Start();
  EXPECT_FALSE(model_->info().batching);
  EXPECT_EQ(model_->info().batching_reason,
            "output y of 2 rows has other bits");
  Ask("aa");
  Ask("bb");
  Settle(&loop_);
  EXPECT_EQ(backend_.runs[0].bytes, "aa");
  EXPECT_THAT(backend_.last_buckets, ElementsAre(1, 2, 4, 8));
}

TEST_F(ModelTest, AutoBatchesWhereBitsAreEqual) {
  options_.batching = Batching::kAuto;
  backend_.loaded.equal_bits = true;
  Start();
  EXPECT_TRUE(model_->info().batching);
}

TEST_F(ModelTest, AFixedFirstDimensionIsNotBatched) {
  backend_.rows = 1;
  Start();
  EXPECT_FALSE(model_->info().batching);
  EXPECT_EQ(model_->info().max_batch_size, 0);
}

TEST_F(ModelTest, WhatWasAskedForIsAnsweredInThatOrder) {
  Start();
  Ask("aa", {"y", "y"});
  Settle(&loop_);
  backend_.Answer();
  EXPECT_THAT(answers_, ElementsAre("aa"));
}

TEST_F(ModelTest, BeyondTheQueueACallIsTurnedAwayLater) {
  options_.policy.max_queue = 1;
  Start();
  Ask("aa");
  Settle(&loop_);
  Ask("bb");
  Ask("cc");
  EXPECT_TRUE(answers_.empty());
  Settle(&loop_);
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("the queue is full")));
  EXPECT_EQ(seen_.rejected, 1);
}

TEST_F(ModelTest, ACrashCostsWhatRanAndWhatWaitsIsComputedAfterIt) {
  Start();
  Ask("aa");
  Settle(&loop_);
  Ask("bb");
  Settle(&loop_);
  backend_.End("m/1");
  EXPECT_THAT(answers_,
              ElementsAre("model \"m\" version 1: the worker is gone"));
  EXPECT_EQ(model_->Ready().message(),
            "model \"m\" version 1 starts again: its worker process was ended "
            "by signal 11 (Segmentation fault)");
  EXPECT_EQ(seen_.ended, 1);
  while (backend_.starts < 2) Settle(&loop_);
  EXPECT_EQ(backend_.alive, 1);
  backend_.Load("m/1");
  Settle(&loop_);
  ASSERT_EQ(backend_.runs.size(), 1u);
  EXPECT_EQ(backend_.runs[0].bytes, "bb");
  backend_.Answer();
  EXPECT_EQ(answers_.back(), "bb");
  EXPECT_EQ(seen_.restarted, 1);
}

TEST_F(ModelTest, WhatABatchDoesNotBearIsToldToTheOneThatBroughtIt) {
  Start();
  Ask("aa");
  Ask("!!cc");
  Ask("dd");
  Settle(&loop_);
  ASSERT_EQ(backend_.runs.size(), 1u);
  EXPECT_EQ(backend_.runs[0].bytes, "aa!!ccdd");
  Ask("ee");  // what comes now waits behind them, and has company again
  Ask("ff");
  backend_.Answer(absl::InvalidArgumentError("! is out of range"));
  EXPECT_THAT(answers_, ElementsAre());
  std::vector<std::string> runs;
  while (!backend_.runs.empty()) {
    runs.push_back(backend_.runs[0].bytes);
    const bool bad = runs.back().find('!') != std::string::npos;
    backend_.Answer(bad ? absl::InvalidArgumentError("! is out of range")
                        : absl::OkStatus());
    Settle(&loop_);
  }
  EXPECT_THAT(runs, ElementsAre("aa", "!!cc", "dd", "eeff"));
  EXPECT_THAT(answers_,
              ElementsAre("aa", "model \"m\" version 1: ! is out of range",
                          "dd", "ee", "ff"));
  EXPECT_EQ(seen_.calls, 4);
}

TEST_F(ModelTest, AnErrorThatNobodyBroughtIsToldToAll) {
  Start();
  Ask("aa");
  Ask("bb");
  Settle(&loop_);
  backend_.Answer(absl::InternalError("no"));
  Settle(&loop_);
  EXPECT_EQ(answers_.size(), 2u);
  EXPECT_EQ(backend_.runs.size(), 0u);
}

TEST_F(ModelTest, WhatOneThatIsGoneNeverSawIsComputedAfterIt) {
  Start();
  Ask("aa");
  Settle(&loop_);
  const FakeBackend::Run run = std::move(backend_.runs.front());
  backend_.runs.clear();
  run.done({absl::UnavailableError("gone"), {}, {}, /*begun=*/false});
  Settle(&loop_);
  EXPECT_TRUE(answers_.empty());
  EXPECT_TRUE(backend_.runs.empty());
  backend_.End("m/1");
  while (backend_.starts < 2) Settle(&loop_);
  backend_.Load("m/1");
  Settle(&loop_);
  backend_.Answer();
  EXPECT_THAT(answers_, ElementsAre("aa"));
}

TEST_F(ModelTest, OneThatCannotStartAgainGoesOnTrying) {
  Start();
  backend_.End("m/1");
  while (backend_.starts < 2) Settle(&loop_);
  backend_.Load("m/1", absl::NotFoundError("model.pdmodel is gone"));
  EXPECT_THAT(std::string(model_->Ready().message()),
              HasSubstr("could not load the model: model.pdmodel is gone"));
  while (backend_.starts < 3) Settle(&loop_);
  backend_.Load("m/1");
  EXPECT_TRUE(model_->Ready().ok());
}

TEST_F(ModelTest, OneThatEndsOftenWaitsBeforeItStartsAgain) {
  options_.backoff.first = options_.backoff.most = std::chrono::hours(1);
  Start();
  for (int starts = 2; starts <= 4; ++starts) {
    backend_.End("m/1");
    while (backend_.starts < starts) Settle(&loop_);
    backend_.Load("m/1");
  }
  backend_.End("m/1");
  for (int i = 0; i < 20; ++i) Settle(&loop_);
  EXPECT_EQ(backend_.starts, 4);
}

TEST_F(ModelTest, NothingWaitsForOneWhoseFilesAreGone) {
  Start();
  EXPECT_FALSE(backend_.last_awaited);
  backend_.End("m/1");
  while (backend_.starts < 2) Settle(&loop_);
  EXPECT_TRUE(backend_.last_awaited);
  Ask("aa");
  Settle(&loop_);
  // What may be better the next time is waited for.
  backend_.Load("m/1", absl::InternalError("was ended by signal 9"));
  while (backend_.starts < 3) Settle(&loop_);
  EXPECT_TRUE(answers_.empty());
  backend_.Load("m/1", absl::NotFoundError("model.pdmodel is gone"));
  EXPECT_THAT(answers_,
              ElementsAre("model \"m\" version 1 has ended, and cannot be "
                          "loaded again: model.pdmodel is gone"));
}

TEST_F(ModelTest, AFailedLoadIsTold) {
  model_ = Model::Start(&loop_, &backend_, options_,
                        std::make_unique<FakeModelObserver>(&seen_),
                        [this](const absl::Status& s) { loaded_ = s; });
  backend_.Load("m/1", absl::DataLossError("cut off"));
  EXPECT_TRUE(absl::IsDataLoss(loaded_));
}

TEST_F(ModelTest, ItLivesUntilItsCallsAreAnswered) {
  Start();
  Ask("aa");
  Settle(&loop_);
  model_.reset();
  EXPECT_EQ(backend_.alive, 1);
  backend_.Answer();
  Settle(&loop_);
  EXPECT_THAT(answers_, ElementsAre("aa"));
  EXPECT_EQ(backend_.alive, 0);
}

TEST_F(ModelTest, AnIdleSlotGivesItsMemoryBackOnce) {
  options_.release_after = std::chrono::milliseconds(1);
  Start();
  Ask("aa");
  Settle(&loop_);
  backend_.Answer();
  while (backend_.released == 0) Settle(&loop_);
  for (int i = 0; i < 20; ++i) Settle(&loop_);
  EXPECT_EQ(backend_.released, 1);
}

TEST_F(ModelTest, AnOutputWithoutRowsIsToldWhereItCannotBeDivided) {
  Start();
  Ask("aa");
  Ask("bb");
  Settle(&loop_);
  backend_.runs[0].inputs[0].shape = {7, 2};
  backend_.Answer();
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("--batching=off"),
                                    HasSubstr("--batching=off")));
}

}  // namespace
}  // namespace infer
