#include "cc/frontend/coding/coders.h"

#include <optional>
#include <string>
#include <vector>

#include "cc/frontend/coding/testing.h"
#include "gtest/gtest.h"

namespace coding {
namespace {

constexpr size_t kNoLimit = 1 << 30;

class CodersTest : public ::testing::Test {
 protected:
  // The outcomes, in the order in which they come.
  Coders::Done Into(std::vector<absl::StatusOr<absl::Cord>>* outcomes) {
    return [this, outcomes](absl::StatusOr<absl::Cord> outcome) {
      outcomes->push_back(std::move(outcome));
      if (outcomes->size() == wanted_) loop_.Stop();
    };
  }
  void Await(std::vector<absl::StatusOr<absl::Cord>>* outcomes, size_t count) {
    wanted_ = count;
    if (outcomes->size() < count) loop_.Run();
  }

  const Coders::Wanted always_ = [] { return true; };
  base::ByteBudget budget_{256 << 20};
  base::Loop loop_;
  std::optional<Coders> coders_{std::in_place, &loop_, &budget_};
  std::vector<absl::StatusOr<absl::Cord>> outcomes_;
  size_t wanted_ = 0;
};

TEST_F(CodersTest, WhatIsSmallIsDoneAtOnce) {
  coders_->Deflate(Coding::kGzip, absl::Cord("plain"), always_,
                   Into(&outcomes_));
  ASSERT_EQ(outcomes_.size(), 1);
  coders_->Inflate(Coding::kGzip, *outcomes_[0], kNoLimit, always_,
                   Into(&outcomes_));
  ASSERT_EQ(outcomes_.size(), 2);
  EXPECT_EQ(*outcomes_[1], "plain");
}

TEST_F(CodersTest, WhatIsLargeLeavesTheLoopFree) {
  const std::string plain(20 << 20, 'x');
  coders_->Deflate(Coding::kDeflate, absl::Cord(plain), always_,
                   Into(&outcomes_));
  EXPECT_EQ(outcomes_.size(), 0);
  Await(&outcomes_, 1);
  ASSERT_TRUE(outcomes_[0].ok());
  coders_->Inflate(Coding::kDeflate, *outcomes_[0], kNoLimit, always_,
                   Into(&outcomes_));
  EXPECT_EQ(outcomes_.size(), 1);
  Await(&outcomes_, 2);
  EXPECT_EQ(*outcomes_[1], plain);
}

TEST_F(CodersTest, AnErrorComesTheSameWay) {
  const std::string bomb = Compressed(std::string(20 << 20, 'x'), kGzipFormat);
  coders_->Inflate(Coding::kGzip, absl::Cord(bomb), 10 << 20, always_,
                   Into(&outcomes_));
  Await(&outcomes_, 1);
  EXPECT_TRUE(absl::IsOutOfRange(outcomes_[0].status()));
}

TEST_F(CodersTest, ALargeOneDoesNotHoldUpOthers) {
  coders_->Deflate(Coding::kGzip, absl::Cord(std::string(64 << 20, 'x')),
                   always_, Into(&outcomes_));
  coders_->Deflate(Coding::kGzip, absl::Cord(std::string(1 << 20, 'x')),
                   always_, Into(&outcomes_));
  Await(&outcomes_, 2);
  EXPECT_LT(outcomes_[0]->size(), outcomes_[1]->size());
}

TEST_F(CodersTest, WhatNobodyWaitsForIsNotDone) {
  bool wanted = true;
  coders_->Deflate(
      Coding::kGzip, absl::Cord(std::string(64 << 20, 'x')),
      [&] { return wanted; },
      [](absl::StatusOr<absl::Cord>) { FAIL() << "it was not wanted"; });
  wanted = false;
  coders_->Deflate(Coding::kGzip, absl::Cord(std::string(8 << 20, 'x')),
                   always_, Into(&outcomes_));
  Await(&outcomes_, 1);
  EXPECT_TRUE(outcomes_[0].ok());
}

TEST_F(CodersTest, TooManyAreRefused) {
  const absl::Cord plain(std::string(1 << 20, 'x'));
  for (int i = 0; i < 70; ++i) {
    coders_->Deflate(Coding::kGzip, plain, always_, Into(&outcomes_));
  }
  ASSERT_EQ(outcomes_.size(), 6);
  EXPECT_TRUE(absl::IsResourceExhausted(outcomes_[0].status()));
  Await(&outcomes_, 70);
  for (int i = 6; i < 70; ++i) EXPECT_TRUE(outcomes_[i].ok());
  outcomes_.clear();
  coders_->Deflate(Coding::kGzip, plain, always_, Into(&outcomes_));
  Await(&outcomes_, 1);
  EXPECT_TRUE(outcomes_[0].ok());
}

TEST_F(CodersTest, TheEndForgetsWhatIsUnderWay) {
  coders_->Deflate(Coding::kGzip, absl::Cord(std::string(64 << 20, 'x')),
                   always_,
                   [](absl::StatusOr<absl::Cord>) { FAIL() << "it is over"; });
  coders_.reset();
  loop_.Post([this] { loop_.Stop(); });
  loop_.Run();
  EXPECT_EQ(budget_.held(), 0);
}

}  // namespace
}  // namespace coding
