#include "cc/base/half.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace base {
namespace {

template <typename H>
void ExpectAllReadBack() {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const H half{static_cast<uint16_t>(bits)};
    const float value = half.value();
    const auto back = H::Of(value);
    if (!std::isfinite(value)) {
      EXPECT_FALSE(back.has_value()) << bits;
      continue;
    }
    ASSERT_TRUE(back.has_value()) << bits;
    ASSERT_EQ(back->bits, bits);
  }
}

TEST(Half, EveryNumberReadsBack) {
  ExpectAllReadBack<Float16>();
  ExpectAllReadBack<Bfloat16>();
}

TEST(Half, KnownBits) {
  EXPECT_EQ(Float16::Of(1)->bits, 0x3C00);
  EXPECT_EQ(Float16::Of(-2)->bits, 0xC000);
  EXPECT_EQ(Float16::Of(-0.0)->bits, 0x8000);
  EXPECT_EQ(Float16::Of(65504)->bits, 0x7BFF);
  EXPECT_EQ(Float16::Of(0.1)->bits, 0x2E66);
  EXPECT_EQ(Float16::Of(std::ldexp(1, -24))->bits, 0x0001);
  EXPECT_EQ(Bfloat16::Of(1)->bits, 0x3F80);
  EXPECT_EQ(Bfloat16::Of(3.14159265)->bits, 0x4049);
}

// Half-way between two neighbours the even one is taken; the slightest more or
// less decides otherwise.
template <typename H>
void ExpectRoundsToNearestEven() {
  for (int bits = 0; bits + 1 < H::kInfinity; ++bits) {
    const double low = H{static_cast<uint16_t>(bits)}.value();
    const double high = H{static_cast<uint16_t>(bits + 1)}.value();
    const double middle = (low + high) / 2;  // exact in a double
    ASSERT_EQ(H::Of(middle)->bits, bits % 2 == 0 ? bits : bits + 1) << bits;
    ASSERT_EQ(H::Of(std::nextafter(middle, 0))->bits, bits) << bits;
    ASSERT_EQ(H::Of(std::nextafter(middle, INFINITY))->bits, bits + 1) << bits;
  }
}

TEST(Half, RoundsToTheNearestEven) {
  ExpectRoundsToNearestEven<Float16>();
  ExpectRoundsToNearestEven<Bfloat16>();
}

TEST(Half, BeyondTheLargestThereIsNone) {
  EXPECT_EQ(Float16::Of(65519.99)->bits, 0x7BFF);
  EXPECT_FALSE(Float16::Of(65520));
  EXPECT_FALSE(Float16::Of(1e300));
  EXPECT_FALSE(Bfloat16::Of(std::numeric_limits<double>::max()));
  EXPECT_FALSE(Bfloat16::Of(NAN));
  EXPECT_EQ(Float16::Of(1e-300)->bits, 0);
}

}  // namespace
}  // namespace base
