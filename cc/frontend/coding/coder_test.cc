#include "cc/frontend/coding/coder.h"

#include <random>
#include <string>

#include "cc/frontend/coding/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace coding {
namespace {

using ::testing::HasSubstr;

constexpr size_t kNoLimit = 1 << 30;

// In chunks of so many bytes.
absl::Cord Cut(absl::string_view text, size_t size) {
  absl::Cord cord;
  while (!text.empty()) {
    auto part = std::make_shared<std::string>(text.substr(0, size));
    cord.Append(absl::MakeCordFromExternal(*part, [part] {}));
    text.remove_prefix(part->size());
  }
  return cord;
}

// Numbers as JSON has them: of some, and of much, size.
std::string Numbers(size_t count) {
  std::mt19937 random(7);
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += std::to_string(static_cast<float>(random()) / 1e9f) + ",";
  }
  return text;
}

class CoderTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Run(Coder* coder, size_t step) {
    for (;;) {
      const auto done = coder->Step(step);
      if (!done.ok()) return done.status();
      if (*done) return std::string(coder->Take());
    }
  }
  absl::StatusOr<std::string> Inflated(absl::string_view coded, Coding coding,
                                       size_t max_bytes = kNoLimit,
                                       size_t cut = 100, size_t step = 1000) {
    Inflater inflater(coding, Cut(coded, cut), max_bytes, pool_, &budget_);
    return Run(&inflater, step);
  }

  base::ByteBudget budget_{64 << 20};
  const std::shared_ptr<http::BlockPool> pool_ =
      http::BlockPool::Make(&budget_);
};

TEST_F(CoderTest, HoweverItIsCutItComesBack) {
  const std::string plain = Numbers(20'000);
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    for (const size_t cut : {1, 7, 4096, 1 << 20}) {
      for (const size_t step : {1, 1000, 1 << 20}) {
        if (cut * step > 1 << 20 || cut + step < 5) continue;
        Deflater deflater(coding, Cut(plain, cut), pool_, &budget_);
        const auto coded = Run(&deflater, step);
        ASSERT_TRUE(coded.ok());
        EXPECT_EQ(Decompressed(*coded), plain);
        EXPECT_EQ(*Inflated(*coded, coding, plain.size(), cut, step), plain);
      }
    }
  }
  EXPECT_EQ(budget_.held(), 0);
}

TEST_F(CoderTest, NothingIsSomethingToo) {
  Deflater deflater(Coding::kGzip, absl::Cord(), pool_, &budget_);
  EXPECT_EQ(*Inflated(*Run(&deflater, 1), Coding::kGzip, 0), "");
}

TEST_F(CoderTest, DeflateMayLackItsHeader) {
  const std::string plain = Numbers(1000);
  EXPECT_EQ(*Inflated(Compressed(plain, kZlibFormat), Coding::kDeflate), plain);
  EXPECT_EQ(*Inflated(Compressed(plain, kRawFormat), Coding::kDeflate), plain);
  EXPECT_EQ(*Inflated(Compressed("", kRawFormat), Coding::kDeflate), "");
  EXPECT_FALSE(Inflated(Compressed(plain, kGzipFormat), Coding::kDeflate).ok());
  EXPECT_FALSE(Inflated(Compressed(plain, kZlibFormat), Coding::kGzip).ok());
  EXPECT_FALSE(Inflated(Compressed(plain, kRawFormat), Coding::kGzip).ok());
}

// The last bytes of a run may have no room when all has been read: its end may
// stand in the byte that says how long it is.
TEST_F(CoderTest, WhatIsReadMayBeWrittenLater) {
  for (size_t size = 1; size < 600; ++size) {
    const std::string plain(size, 'a');
    const std::string coded = Compressed(plain, kRawFormat);
    for (const size_t step : {1, 4, 16, 100}) {
      const auto result =
          Inflated(coded, Coding::kDeflate, kNoLimit, coded.size(), step);
      ASSERT_TRUE(result.ok())
          << size << " in steps of " << step << ": " << result.status();
      EXPECT_EQ(*result, plain);
    }
  }
}

TEST_F(CoderTest, GzipMayBeSeveralMembers) {
  const std::string coded = Compressed("one ", kGzipFormat) +
                            Compressed("", kGzipFormat) +
                            Compressed("two", kGzipFormat);
  for (const size_t cut : {1, 20, 1000}) {
    EXPECT_EQ(*Inflated(coded, Coding::kGzip, kNoLimit, cut), "one two");
  }
}

TEST_F(CoderTest, WhatBreaksOffIsRefusedWhereverItDoes) {
  const std::string plain = Numbers(100);
  for (const int format : {kGzipFormat, kZlibFormat, kRawFormat}) {
    const Coding coding =
        format == kGzipFormat ? Coding::kGzip : Coding::kDeflate;
    const std::string coded = Compressed(plain, format);
    for (size_t size = 0; size < coded.size(); ++size) {
      const auto result = Inflated(coded.substr(0, size), coding);
      EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << size;
    }
  }
}

TEST_F(CoderTest, WhatFollowsTheEndIsRefused) {
  for (const int format : {kGzipFormat, kZlibFormat, kRawFormat}) {
    const Coding coding =
        format == kGzipFormat ? Coding::kGzip : Coding::kDeflate;
    for (const char* more : {"x", "more of it", "\x1f", "\x1f\x8b"}) {
      const auto result = Inflated(Compressed("plain", format) + more, coding);
      EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << more;
    }
  }
  EXPECT_THAT(
      Inflated(Compressed("plain", kGzipFormat) + "ten bytes.", Coding::kGzip)
          .status()
          .message(),
      HasSubstr("10 bytes follow the end of the gzip data"));
}

TEST_F(CoderTest, WhatIsDamagedIsRefused) {
  const std::string plain = Numbers(100);
  const std::string coded = Compressed(plain, kGzipFormat);
  size_t refused = 0;
  for (size_t i = 0; i < coded.size(); ++i) {
    std::string damaged = coded;
    damaged[i] ^= 0x40;
    const auto result = Inflated(damaged, Coding::kGzip);
    // Its time and its system are told by nobody.
    if (result.ok()) {
      EXPECT_EQ(*result, plain);
    } else {
      ++refused;
    }
  }
  EXPECT_GE(refused, coded.size() - 7);
}

TEST_F(CoderTest, ABombTakesNoMoreThanItMay) {
  const std::string bomb =
      Compressed(std::string(200 << 20, '\0'), kGzipFormat);
  ASSERT_LT(bomb.size(), 250'000);
  {
    Inflater inflater(Coding::kGzip, Cut(bomb, 100'000), 8 << 20, pool_,
                      &budget_);
    absl::Status status;
    size_t most = 0;
    while (status.ok()) {
      status = inflater.Step(1 << 20).status();
      most = std::max(most, budget_.held());
    }
    EXPECT_TRUE(absl::IsOutOfRange(status));
    EXPECT_LT(most, 10 << 20);
  }
  EXPECT_EQ(budget_.held(), 0);
  // Where others have taken the memory, it stops before.
  EXPECT_TRUE(absl::IsResourceExhausted(
      Inflated(bomb, Coding::kGzip, kNoLimit, 1 << 20, 1 << 20).status()));
  EXPECT_EQ(budget_.held(), 0);
}

TEST_F(CoderTest, AStepReadsLittleWhereNothingIsWritten) {
  std::string empty;
  for (int i = 0; i < 1000; ++i) empty += Compressed("", kGzipFormat);
  Inflater inflater(Coding::kGzip, Cut(empty, 1 << 20), kNoLimit, pool_,
                    &budget_);
  int steps = 1;
  for (; !*inflater.Step(1024); ++steps) {
  }
  EXPECT_GE(steps, 20'000 / 1024);
}

TEST_F(CoderTest, WithoutMemoryNothingBegins) {
  base::ByteBudget none(10'000);
  Inflater inflater(Coding::kGzip, absl::Cord("x"), kNoLimit,
                    http::BlockPool::Make(&none), &none);
  EXPECT_TRUE(absl::IsResourceExhausted(inflater.Step(1).status()));
  Deflater deflater(Coding::kGzip, absl::Cord("x"),
                    http::BlockPool::Make(&none), &none);
  EXPECT_TRUE(absl::IsResourceExhausted(deflater.Step(1).status()));
}

}  // namespace
}  // namespace coding
