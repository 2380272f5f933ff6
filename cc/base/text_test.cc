#include "cc/base/text.h"

#include "gtest/gtest.h"

namespace base {
namespace {

TEST(Text, ClipKeepsSequencesWhole) {
  EXPECT_EQ(Clip("abc", 3), "abc");
  EXPECT_EQ(Clip("abcd", 3), "abc");
  EXPECT_EQ(Clip("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(Clip("a\xE4\xBD\xA0z", 3), "a");
  EXPECT_EQ(Clip("a\xE4\xBD\xA0z", 4), "a\xE4\xBD\xA0");
  EXPECT_EQ(Clip("\xF0\x9F\x98\x80", 3), "");
  EXPECT_EQ(Clip("", 3), "");
  EXPECT_EQ(Clip("abc", 0), "");
  // No UTF-8: cut where it stands.
  EXPECT_EQ(Clip("\x80\x80\x80\x80\x80\x80", 5), "\x80\x80\x80\x80\x80");
}

TEST(Text, QuoteTellsThatThereIsMore) {
  EXPECT_EQ(Quote("x"), "\"x\"");
  EXPECT_EQ(Quote("abcdef", 3), "\"abc...\"");
  EXPECT_EQ(Quote(std::string(1000, 'x')).size(), 105u);
}

TEST(Text, PercentDecodeLeavesWhatIsNone) {
  std::string out = "at ";
  EXPECT_TRUE(PercentDecode("a%2Fb%e4%BD%A0", &out));
  EXPECT_EQ(out, "at a/b\xE4\xBD\xA0");
  for (const char* text : {"%", "100%", "%4", "%+1a", "%zz", "% 41"}) {
    std::string same;
    EXPECT_FALSE(PercentDecode(text, &same)) << text;
    EXPECT_EQ(same, text);
  }
  out.clear();
  EXPECT_FALSE(PercentDecode("%41%%42", &out));
  EXPECT_EQ(out, "A%B");
}

TEST(Text, Shapes) {
  EXPECT_EQ(ShapeText({}), "[]");
  EXPECT_EQ(ShapeText({-1, 3}), "[-1,3]");
  EXPECT_EQ(LodText({{0, 2, 5}}), "[0,2,5]");
  EXPECT_EQ(LodText({{0, 2}, {0, 1, 4}}), "[[0,2],[0,1,4]]");
}

TEST(Text, Utf8) {
  EXPECT_TRUE(IsUtf8("a\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80"));
  EXPECT_TRUE(IsUtf8(""));
  for (const char* bad : {"\x80", "\xC3", "\xC0\x80", "\xED\xA0\x80",
                          "\xF4\x90\x80\x80", "\xE4\xBD", "\xFF"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace base
