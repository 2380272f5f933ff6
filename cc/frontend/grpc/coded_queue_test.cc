#include "cc/frontend/grpc/coded_queue.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace grpc {
namespace {

using ::testing::ElementsAre;

class CodedQueueTest : public ::testing::Test {
 protected:
  void Out(absl::StatusOr<absl::Cord> message, bool compressed) {
    out_.push_back((message.ok() ? std::string(*message)
                                 : std::string(message.status().message())) +
                   (compressed ? "!" : ""));
  }

  std::vector<std::string> out_;
  std::vector<CodedQueue::Done> working_;
  bool at_once_ = false;
  CodedQueue queue_{
      [this](absl::Cord message, CodedQueue::Done done) {
        if (at_once_) return done(std::move(message), true);
        working_.push_back(std::move(done));
      },
      [this](absl::StatusOr<absl::Cord> message, bool compressed) {
        Out(std::move(message), compressed);
      }};
};

TEST_F(CodedQueueTest, WhatComesBehindWaits) {
  queue_.Push(absl::Cord("a"), false);
  queue_.Push(absl::Cord("b"), true);
  queue_.Push(absl::Cord("c"), false);
  queue_.Push(absl::Cord("dd"), true);
  queue_.Push(absl::Cord("e"), true);
  EXPECT_THAT(out_, ElementsAre("a"));
  EXPECT_EQ(queue_.bytes(), 5u);
  ASSERT_EQ(working_.size(), 1u);
  working_[0](absl::Cord("B"), true);
  EXPECT_THAT(out_, ElementsAre("a", "B!", "c"));
  ASSERT_EQ(working_.size(), 2u);
  at_once_ = true;
  working_[1](absl::InvalidArgumentError("no d"), false);
  EXPECT_THAT(out_, ElementsAre("a", "B!", "c", "no d", "e!"));
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(CodedQueueTest, WhatIsDoneAtOnceGoesAtOnce) {
  at_once_ = true;
  for (const char* text : {"a", "b", "c"}) queue_.Push(absl::Cord(text), true);
  EXPECT_THAT(out_, ElementsAre("a!", "b!", "c!"));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(CodedQueueTest, WhatIsForgottenDoesNotCome) {
  queue_.Push(absl::Cord("a"), true);
  queue_.Push(absl::Cord("b"), true);
  queue_.Clear();
  EXPECT_FALSE(queue_.empty());  // one is under way
  working_[0](absl::Cord("A"), true);
  EXPECT_THAT(out_, ElementsAre("A!"));
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 0u);
}

}  // namespace
}  // namespace grpc
