#include "cc/infer/batcher.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace infer {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kDefault = 0;

// A call for `rows` rows of `width` values.
std::shared_ptr<Call> MakeCall(
    int64_t rows, int64_t width = 4, uint64_t priority = kDefault,
    Call::Done done = [](Call*) {}) {
  Request request;
  request.priority = priority;
  request.inputs.push_back(
      {"x",
       base::DataType::kFloat32,
       {rows, width},
       absl::Cord(std::string(static_cast<size_t>(rows * width) * 4, 'x'))});
  return std::make_shared<Call>(std::move(request), std::move(done));
}

BatchPolicy Policy(int64_t max_rows = 8) {
  BatchPolicy policy;
  policy.max_rows = max_rows;
  return policy;
}

class BatcherTest : public testing::Test {
 protected:
  // At a time of our own: nothing here reads a clock.
  Clock::time_point At(int ms) const { return start_ + milliseconds(ms); }
  const Clock::time_point start_ = Clock::now();
};

TEST_F(BatcherTest, WithoutBatchingEachCallRunsAloneInOrder) {
  Batcher batcher(Policy(1));
  const auto first = MakeCall(3), second = MakeCall(1);
  ASSERT_TRUE(batcher.Add(first, At(0)).ok());
  ASSERT_TRUE(batcher.Add(second, At(0)).ok());
  const auto batch = batcher.Next(At(0));
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->calls.size(), 1u);
  EXPECT_EQ(batch->calls[0], first);
  EXPECT_EQ(batch->rows, 3);
  EXPECT_EQ(batch->padded_rows, 3);
  EXPECT_EQ(batcher.Next(At(0))->calls[0], second);
  EXPECT_FALSE(batcher.Next(At(0)));
  EXPECT_EQ(batcher.size(), 0u);
  EXPECT_EQ(batcher.bytes(), 0u);
}

TEST_F(BatcherTest, WhatCameTogetherGoesTogetherUpToMaxRows) {
  Batcher batcher(Policy(8));
  for (const int64_t rows : {3, 4, 2, 1}) {
    ASSERT_TRUE(batcher.Add(MakeCall(rows), At(0)).ok());
  }
  const auto batch = batcher.Next(At(0));
  // 3 + 4, not 2 more, but the 1 that still has room.
  EXPECT_EQ(batch->rows, 8);
  EXPECT_EQ(batch->calls.size(), 3u);
  EXPECT_EQ(batcher.Next(At(0))->rows, 2);
}

TEST_F(BatcherTest, AnOverlongCallRunsAlone) {
  Batcher batcher(Policy(8));
  ASSERT_TRUE(batcher.Add(MakeCall(20), At(0)).ok());
  ASSERT_TRUE(batcher.Add(MakeCall(1), At(0)).ok());
  EXPECT_EQ(batcher.Next(At(0))->rows, 20);
  EXPECT_EQ(batcher.Next(At(0))->rows, 1);
}

TEST_F(BatcherTest, OtherShapesAreNoCompany) {
  Batcher batcher(Policy(8));
  ASSERT_TRUE(batcher.Add(MakeCall(1, 4), At(0)).ok());
  ASSERT_TRUE(batcher.Add(MakeCall(1, 5), At(0)).ok());
  ASSERT_TRUE(batcher.Add(MakeCall(1, 4), At(0)).ok());
  EXPECT_EQ(batcher.Next(At(0))->calls.size(), 2u);
  EXPECT_EQ(batcher.Next(At(0))->calls.size(), 1u);
}

TEST_F(BatcherTest, InputsMayComeInAnyOrder) {
  Batcher batcher(Policy(8));
  const auto pair = [](const char* first, const char* second) {
    Request request;
    for (const char* name : {first, second}) {
      request.inputs.push_back(
          {name, base::DataType::kInt64, {1}, absl::Cord("12345678")});
    }
    return std::make_shared<Call>(std::move(request), [](Call*) {});
  };
  ASSERT_TRUE(batcher.Add(pair("a", "b"), At(0)).ok());
  ASSERT_TRUE(batcher.Add(pair("b", "a"), At(0)).ok());
  ASSERT_TRUE(batcher.Add(pair("a", "c"), At(0)).ok());
  EXPECT_EQ(batcher.Next(At(0))->calls.size(), 2u);
}

TEST_F(BatcherTest, InputsOfUnequalRowsRunAloneAndUnpadded) {
  BatchPolicy policy = Policy(8);
  policy.buckets = {4, 8};
  Batcher batcher(policy);
  Request request;
  request.inputs.push_back(
      {"x", base::DataType::kUint8, {3, 1}, absl::Cord("abc")});
  request.inputs.push_back(
      {"scale", base::DataType::kUint8, {1, 1}, absl::Cord("s")});
  ASSERT_TRUE(
      batcher
          .Add(std::make_shared<Call>(std::move(request), [](Call*) {}), At(0))
          .ok());
  ASSERT_TRUE(batcher.Add(MakeCall(1), At(0)).ok());
  const auto batch = batcher.Next(At(0));
  EXPECT_EQ(batch->calls.size(), 1u);
  EXPECT_EQ(batch->padded_rows, 3);
}

TEST_F(BatcherTest, BatchesArePaddedToTheNextBucket) {
  BatchPolicy policy = Policy(8);
  policy.buckets = {1, 2, 4, 8};
  Batcher batcher(policy);
  for (const auto& [rows, padded] :
       {std::pair{1, 1}, {2, 2}, {3, 4}, {5, 8}, {8, 8}, {9, 9}}) {
    ASSERT_TRUE(batcher.Add(MakeCall(rows), At(0)).ok());
    EXPECT_EQ(batcher.Next(At(0))->padded_rows, padded) << rows;
  }
}

TEST_F(BatcherTest, WaitsForCompanyNoLongerThanMaxDelay) {
  BatchPolicy policy = Policy(8);
  policy.max_delay = milliseconds(5);
  Batcher batcher(policy);
  ASSERT_TRUE(batcher.Add(MakeCall(3), At(0)).ok());
  EXPECT_FALSE(batcher.Next(At(4)));
  EXPECT_EQ(batcher.Wake(/*idle=*/true), At(5));
  EXPECT_EQ(batcher.Wake(/*idle=*/false), std::nullopt);
  ASSERT_TRUE(batcher.Add(MakeCall(1), At(4)).ok());
  EXPECT_EQ(batcher.Next(At(5))->rows, 4);
}

TEST_F(BatcherTest, AFullBatchDoesNotWait) {
  BatchPolicy policy = Policy(8);
  policy.max_delay = milliseconds(5);
  Batcher batcher(policy);
  ASSERT_TRUE(batcher.Add(MakeCall(8), At(0)).ok());
  EXPECT_TRUE(batcher.Next(At(0)));
}

TEST_F(BatcherTest, SmallerPrioritiesGoFirst) {
  Batcher batcher(Policy(1));
  const auto low = MakeCall(1, 4, 2000), normal = MakeCall(1),
             high = MakeCall(1, 4, 1);
  for (const auto& call : {low, normal, high}) {
    ASSERT_TRUE(batcher.Add(call, At(0)).ok());
  }
  EXPECT_EQ(batcher.Next(At(0))->calls[0], high);
  EXPECT_EQ(batcher.Next(At(0))->calls[0], normal);
  EXPECT_EQ(batcher.Next(At(0))->calls[0], low);
}

TEST_F(BatcherTest, WhatIsCancelledIsNotComputed) {
  Batcher batcher(Policy(8));
  const auto gone = MakeCall(1), here = MakeCall(1);
  ASSERT_TRUE(batcher.Add(gone, At(0)).ok());
  ASSERT_TRUE(batcher.Add(here, At(0)).ok());
  gone->Cancel();
  const auto batch = batcher.Next(At(0));
  ASSERT_EQ(batch->calls.size(), 1u);
  EXPECT_EQ(batch->calls[0], here);
}

TEST_F(BatcherTest, PastTheQueueTimeoutACallIsAnsweredAndNotComputed) {
  BatchPolicy policy = Policy(8);
  policy.queue_timeout = milliseconds(10);
  Batcher batcher(policy);
  absl::Status told;
  ASSERT_TRUE(batcher
                  .Add(MakeCall(1, 4, kDefault,
                                [&](Call* call) { told = call->status; }),
                       At(0))
                  .ok());
  EXPECT_EQ(batcher.Wake(/*idle=*/false), At(10));
  batcher.Expire(At(9));
  EXPECT_TRUE(told.ok());
  EXPECT_FALSE(batcher.Next(At(10)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(told)) << told;
  EXPECT_EQ(batcher.size(), 0u);
}

TEST_F(BatcherTest, ARequestsOwnTimeoutCountsFromItsArrival) {
  Batcher batcher(Policy(8));
  Request request;
  request.timeout = milliseconds(10);
  absl::Status told;
  const auto call = std::make_shared<Call>(
      std::move(request), [&](Call* call) { told = call->status; });
  ASSERT_TRUE(batcher.Add(call, call->timing.arrival + milliseconds(8)).ok());
  batcher.Expire(call->timing.arrival + milliseconds(9));
  EXPECT_TRUE(told.ok());
  batcher.Expire(call->timing.arrival + milliseconds(10));
  EXPECT_TRUE(absl::IsDeadlineExceeded(told)) << told;
}

TEST_F(BatcherTest, TheQueueIsBoundedInRequestsAndBytes) {
  BatchPolicy policy = Policy(1);
  policy.max_queue = 2;
  policy.max_queue_bytes = 100;
  Batcher batcher(policy);
  // More than the bound is taken where nothing waits: else it never could be.
  ASSERT_TRUE(batcher.Add(MakeCall(10), At(0)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(batcher.Add(MakeCall(1), At(0))));
  ASSERT_TRUE(batcher.Next(At(0)));
  ASSERT_TRUE(batcher.Add(MakeCall(1), At(0)).ok());
  ASSERT_TRUE(batcher.Add(MakeCall(1), At(0)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(batcher.Add(MakeCall(1), At(0))));
}

TEST_F(BatcherTest, WhatIsPutBackGoesFirstAloneAndAtOnce) {
  BatchPolicy policy = Policy(8);
  policy.max_queue = 2;
  policy.max_delay = milliseconds(50);
  policy.buckets = {1, 2, 4, 8};
  Batcher batcher(policy);
  ASSERT_TRUE(batcher.Add(MakeCall(1), At(0)).ok());
  ASSERT_TRUE(batcher.Add(MakeCall(2), At(0)).ok());
  const auto again = MakeCall(3);
  batcher.PutBack(again, /*alone=*/true, At(1));
  EXPECT_EQ(batcher.size(), 3u);
  EXPECT_LE(*batcher.Wake(/*idle=*/true), At(1));
  const auto batch = batcher.Next(At(1));
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->calls.size(), 1u);
  EXPECT_EQ(batch->calls[0], again);
  EXPECT_EQ(batch->padded_rows, 3);
  EXPECT_FALSE(batcher.Next(At(1)));
  EXPECT_EQ(batcher.Next(At(50))->calls.size(), 2u);
  EXPECT_EQ(batcher.bytes(), 0u);
}

TEST_F(BatcherTest, FailAnswersAllThatWait) {
  Batcher batcher(Policy(8));
  int told = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(batcher
                    .Add(MakeCall(1, 4 + i, kDefault,
                                  [&](Call* call) {
                                    told += absl::IsUnavailable(call->status);
                                  }),
                         At(0))
                    .ok());
  }
  batcher.Fail(absl::UnavailableError("unloaded"));
  EXPECT_EQ(told, 3);
  EXPECT_FALSE(batcher.Next(At(0)));
}

}  // namespace
}  // namespace infer
