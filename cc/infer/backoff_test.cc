#include "cc/infer/backoff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace infer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Each;
using testing::ElementsAre;

// What each of so many ends waits, `apart` from one another.
std::vector<Clock::duration> Waits(Backoff* backoff, Clock::time_point* now,
                                   int ends, Clock::duration apart) {
  std::vector<Clock::duration> waits;
  for (int i = 0; i < ends; ++i) {
    waits.push_back(backoff->Next(*now += apart));
  }
  return waits;
}

TEST(BackoffTest, FirstItStartsAtOnceThenItWaitsTwiceAsLongUpToABound) {
  Backoff backoff{BackoffPolicy()};
  Clock::time_point now;
  EXPECT_THAT(
      Waits(&backoff, &now, 10, milliseconds(1)),
      ElementsAre(seconds(0), seconds(0), seconds(0), milliseconds(100),
                  milliseconds(200), milliseconds(400), milliseconds(800),
                  milliseconds(1600), seconds(3), seconds(3)));
}

TEST(BackoffTest, WhoeverEndsItAllTheTimeNeverMakesItWaitLonger) {
  Backoff backoff{BackoffPolicy()};
  Clock::time_point now;
  for (const auto wait : Waits(&backoff, &now, 100'000, milliseconds(1))) {
    ASSERT_LE(wait, seconds(3));
  }
}

TEST(BackoffTest, EndsThatAreFarApartCostNoWait) {
  Backoff backoff{BackoffPolicy()};
  Clock::time_point now;
  EXPECT_THAT(Waits(&backoff, &now, 1000, seconds(20)), Each(seconds(0)));
}

TEST(BackoffTest, AMinuteWithoutAnEndForgetsThoseBefore) {
  Backoff backoff{BackoffPolicy()};
  Clock::time_point now;
  Waits(&backoff, &now, 20, milliseconds(1));
  now += seconds(60);
  EXPECT_THAT(
      Waits(&backoff, &now, 4, milliseconds(1)),
      ElementsAre(seconds(0), seconds(0), seconds(0), milliseconds(100)));
}

}  // namespace
}  // namespace infer
