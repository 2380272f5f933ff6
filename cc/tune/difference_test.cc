#include "cc/tune/difference.h"

#include <cstring>
#include <limits>

#include "gtest/gtest.h"

namespace tune {
namespace {

infer::Tensor Floats(const std::vector<float>& values) {
  infer::Tensor tensor{"y", base::DataType::kFloat32, {}, {}, {}};
  tensor.shape = {static_cast<int64_t>(values.size())};
  tensor.data =
      absl::Cord(absl::string_view(reinterpret_cast<const char*>(values.data()),
                                   values.size() * sizeof(float)));
  return tensor;
}

TEST(Difference, IsInBitsAndInNumbers) {
  EXPECT_EQ(Compare({Floats({1, 2})}, {Floats({1, 2})}).Words(), "equal");
  EXPECT_EQ(Compare({Floats({1, 2})}, {Floats({1.5, 2.25})}).Words(),
            "differ by at most 0.5");
  const Difference zeros = Compare({Floats({0.0f})}, {Floats({-0.0f})});
  EXPECT_TRUE(zeros.bits);
  EXPECT_EQ(zeros.most, 0);
}

TEST(Difference, HasNoNumberWhereThereIsNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Compare({Floats({nan})}, {Floats({nan})}).Words(), "equal");
  EXPECT_EQ(Compare({Floats({nan})}, {Floats({1})}).Words(),
            "differ beyond numbers");
  EXPECT_EQ(Compare({Floats({1})}, {Floats({1, 1})}).Words(),
            "differ beyond numbers");
  EXPECT_EQ(Compare({Floats({1})}, {}).Words(), "differ beyond numbers");
}

TEST(Difference, OfSeveralIsTheLargest) {
  Difference all;
  all.Add(Compare({Floats({1})}, {Floats({1.25})}));
  all.Add(Compare({Floats({1})}, {Floats({1})}));
  EXPECT_EQ(all.Words(), "differ by at most 0.25");
}

TEST(Difference, ARowIsItsPartOfEachOutput) {
  Answer part;
  ASSERT_TRUE(RowOf({Floats({1, 2, 3})}, 3, 1, &part));
  EXPECT_EQ(Compare(part, {Floats({2})}).Words(), "equal");
  EXPECT_FALSE(RowOf({Floats({1, 2, 3})}, 2, 1, &part));
}

}  // namespace
}  // namespace tune
