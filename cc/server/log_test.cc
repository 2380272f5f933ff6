#include "cc/server/log.h"

#include <cmath>

#include "gtest/gtest.h"

namespace server {
namespace {

TEST(Log, LineIsOneJsonObject) {
  EXPECT_EQ(
      FormatLogLine(absl::FromUnixMicros(1'000'123), LogLevel::kWarning,
                    "say \"hi\"\n",
                    {{"text", "\xC3\xA9\xFF\x01"},
                     {"number", int64_t{-3}},
                     {"real", 0.25},
                     {"nan", std::nan("")},
                     {"yes", true}}),
      "{\"ts\":\"1970-01-01T00:00:01.000123Z\",\"level\":\"warning\","
      "\"msg\":\"say \\\"hi\\\"\\n\",\"text\":\"\xC3\xA9\xEF\xBF\xBD\\u0001\","
      "\"number\":-3,\"real\":0.25,\"nan\":null,\"yes\":true}\n");
}

TEST(Log, LevelsHaveNames) {
  LogLevel level = LogLevel::kInfo;
  EXPECT_TRUE(ParseLogLevel("debug", &level).ok());
  EXPECT_EQ(level, LogLevel::kDebug);
  EXPECT_FALSE(ParseLogLevel("loud", &level).ok());
}

}  // namespace
}  // namespace server
