#include "cc/server/flags.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Values {
  Flags flags{"go", "goes."};
  std::string name = "none";
  std::vector<std::string> files;
  int64_t port = 80;

  Values() {
    flags.String("name", &name, "A name.");
    flags.Strings("file", &files, "Files.", true);
    flags.Int("port", &port, 0, 65535, "A port.");
  }
};

TEST(Flags, TakesBothFormsAndRepetition) {
  Values values;
  ASSERT_TRUE(
      values.flags
          .Parse({"--file=a=b", "--port", "0", "--file", "-", "--name="})
          .ok());
  EXPECT_THAT(values.files, ElementsAre("a=b", "-"));
  EXPECT_EQ(values.port, 0);
  EXPECT_EQ(values.name, "");
}

TEST(Flags, ErrorsNameTheFlag) {
  const auto error = [](const std::vector<std::string>& arguments) {
    return std::string(Values().flags.Parse(arguments).message());
  };
  EXPECT_THAT(error({}), HasSubstr("flag --file is missing"));
  EXPECT_THAT(error({"--file"}), HasSubstr("--file lacks its value"));
  EXPECT_THAT(error({"--other=1"}), HasSubstr("unknown flag --other"));
  EXPECT_THAT(error({"x"}), HasSubstr("unexpected argument \"x\""));
  for (const char* wrong :
       {"--port=65536", "--port=-1", "--port=x", "--port="}) {
    EXPECT_THAT(error({wrong}), HasSubstr("is no number from 0 to 65535"));
  }
  EXPECT_THAT(error({}), HasSubstr("`server go --help`"));
}

TEST(Flags, HelpListsAll) {
  Values values;
  ASSERT_TRUE(values.flags.Parse({"--port=1", "--help", "junk"}).ok());
  EXPECT_TRUE(values.flags.help());
  const std::string text = values.flags.HelpText();
  EXPECT_THAT(text, HasSubstr("--name=none\n      A name."));
  EXPECT_THAT(text, HasSubstr("--file  (required)"));
  EXPECT_THAT(text, HasSubstr("--port=80"));
}

}  // namespace
}  // namespace server
