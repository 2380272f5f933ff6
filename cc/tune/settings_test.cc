#include "cc/tune/settings.h"

#include "gtest/gtest.h"

namespace tune {
namespace {

Result Measured(double rate, bool equal = true, bool batches = false,
                bool buckets_equal = true) {
  Result result;
  Sample sample;
  sample.rows_per_second = rate;
  sample.difference = {!equal, equal ? 0 : 1e-7};
  // The second round is a slow phase.
  Sample slow = sample;
  slow.rows_per_second = rate / 10;
  result.samples = {{sample, slow, sample}};
  result.batches = batches;
  result.buckets = Difference{!buckets_equal, buckets_equal ? 0 : 1e-7};
  return result;
}

TEST(Settings, TakeNoMoreCpusThanThereAre) {
  const Setting present;
  const auto all = Candidates(present, true, true, 4, {});
  for (const Setting& setting : all) {
    EXPECT_LE(setting.compute.threads * setting.compute.instances, 4);
  }
  // (1,1) (1,2) (1,4) (2,1) (2,2) (4,1), oneDNN or not, batches or not.
  EXPECT_EQ(all.size(), 6u * 2 * 2);
}

TEST(Settings, BeginWithThePresentOneWhichIsThereOnce) {
  Setting present;
  present.compute = {3, 2, base::CpuEngine::kPlain};
  const auto all = Candidates(present, false, false, 2, {});
  EXPECT_EQ(all.front().compute.instances, 3);
  EXPECT_EQ(all.size(), 1u + 3 * 2);  // 6 CPUs are more than there are
  Choices choices;
  choices.cpu_engine = {base::CpuEngine::kOneDnn};
  choices.threads = {1};
  choices.instances = {1};
  EXPECT_EQ(Candidates(Setting(), true, true, 2, choices).size(), 2u);
  // A model that is not computed together now may be told to.
  EXPECT_EQ(Candidates(Setting(), true, false, 2, choices).size(), 2u);
}

TEST(Settings, TheFastestThatKeepsTheBitsIsChosen) {
  const std::vector<Result> results = {Measured(100), Measured(150),
                                       Measured(300, /*equal=*/false)};
  const Verdict verdict = Judge(results);
  EXPECT_EQ(verdict.kept, &results[1]);
  EXPECT_EQ(verdict.other, &results[2]);
  EXPECT_EQ(verdict.ordered, (std::vector<size_t>{2, 1, 0}));
  EXPECT_DOUBLE_EQ(results[2].Gain(results[0]), 3);
}

TEST(Settings, WhatIsHardlyFasterChangesNothing) {
  const std::vector<Result> results = {Measured(100), Measured(104),
                                       Measured(103, /*equal=*/false)};
  const Verdict verdict = Judge(results);
  EXPECT_EQ(verdict.kept, &results[0]);
  EXPECT_EQ(verdict.other, nullptr);
}

TEST(Settings, CompanyKeepsBitsWhereBatchesOfAllSizesDo) {
  const Result present = Measured(100);
  EXPECT_TRUE(Measured(200, true, true, true).Keeps(present));
  EXPECT_FALSE(Measured(200, true, true, false).Keeps(present));
  Result unknown = Measured(200, true, true);
  unknown.buckets.reset();
  EXPECT_FALSE(unknown.Keeps(present));
  EXPECT_TRUE(unknown.Keeps(Measured(100, true, true, false)));
}

TEST(Settings, WholeNumbersDoNotTellOfOtherArithmetic) {
  const Result present = Measured(100);
  Result other = Measured(200);
  other.reals = false;
  EXPECT_TRUE(other.Keeps(present));
  other.setting.compute.cpu_engine = base::CpuEngine::kPlain;
  EXPECT_FALSE(other.Keeps(present));
  other.reals = true;
  EXPECT_TRUE(other.Keeps(present));
}

TEST(Settings, WhatFailedIsLastAndSaysWhy) {
  Result failed = Measured(900);
  failed.status = absl::InternalError("it broke");
  const std::vector<Result> results = {Measured(100), failed};
  const Verdict verdict = Judge(results);
  EXPECT_EQ(verdict.kept, &results[0]);
  EXPECT_EQ(verdict.ordered, (std::vector<size_t>{0, 1}));
  const std::string table = Table(results, verdict, {1});
  EXPECT_NE(table.find("failed: it broke"), table.npos) << table;
  EXPECT_NE(table.find("100.0"), table.npos) << table;
}

}  // namespace
}  // namespace tune
