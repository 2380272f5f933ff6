#include "cc/server/config.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cc/server/config_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Written(const std::string& text, const std::string& name = "c") {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name, ".yaml");
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

// A command with one option of each kind that there is.
struct Flags {
  int64_t max_queue = 256;
  bool exit_on_error = true;
  std::string host = "127.0.0.1";
  std::optional<int64_t> grpc_port;
  std::vector<std::string> model_versions;
  std::string level = "info";

  CLI::App app;
  Config config;

  Flags() {
    app.option_defaults()
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->always_capture_default();
    app.add_option("--max_queue", max_queue, "Requests that may wait.")
        ->check(CLI::Range(1, 1'000'000));
    app.add_option("--exit_on_error", exit_on_error);
    app.add_option("--host", host);
    app.add_option("--grpc_port", grpc_port)->default_str("8081");
    app.add_option("--model_versions", model_versions)
        ->take_all()
        ->default_str("");
    app.add_option_function<std::string>(
           "--level", [this](const std::string& text) { level = text; })
        ->check(CLI::IsMember({"info", "debug"}))
        ->default_str("info");
    config.Register(&app);
  }

  absl::Status Fill(const std::string& line, const Environment& environment,
                    Config::Unknown unknown = Config::Unknown::kError) {
    app.parse(line);
    return config.Fill(environment, unknown);
  }
};

TEST(ConfigTest, TheCommandLineIsBeforeTheEnvironmentAndThatBeforeTheFile) {
  const std::string file = Written(
      "# Ours.\nmax_queue: 3\nhost: '::'\nlevel: debug\ngrpc_port: -1\n"
      "exit_on_error: false\nmodel_versions: ['m:1,3', n:2]\n");
  Flags flags;
  ASSERT_TRUE(flags
                  .Fill("--max_queue=1 --config=" + file,
                        {{"PADDLE_SERVER_MAX_QUEUE", "2"},
                         {"PADDLE_SERVER_HOST", "0.0.0.0"}})
                  .ok());
  EXPECT_EQ(flags.max_queue, 1);
  EXPECT_EQ(flags.host, "0.0.0.0");
  EXPECT_EQ(flags.level, "debug");
  EXPECT_EQ(flags.grpc_port, -1);
  EXPECT_FALSE(flags.exit_on_error);
  EXPECT_THAT(flags.model_versions, ElementsAre("m:1,3", "n:2"));
}

TEST(ConfigTest, WhatNobodySetsHasItsDefault) {
  Flags flags;
  ASSERT_TRUE(
      flags.Fill("", {{"PATH", "/bin"}, {"PADDLE_SERVER_HOST", ""}}).ok());
  EXPECT_EQ(flags.max_queue, 256);
  EXPECT_EQ(flags.host, "127.0.0.1");
  EXPECT_EQ(flags.grpc_port, std::nullopt);
}

TEST(ConfigTest, TheEnvironmentMayNameTheFileAndHasListsApartBySpaces) {
  const std::string file = Written("max_queue: 3\n");
  Flags flags;
  ASSERT_TRUE(flags
                  .Fill("", {{"PADDLE_SERVER_CONFIG", file},
                             {"PADDLE_SERVER_MODEL_VERSIONS", "m:1,3 n:2"}})
                  .ok());
  EXPECT_EQ(flags.max_queue, 3);
  EXPECT_THAT(flags.model_versions, ElementsAre("m:1,3", "n:2"));
}

TEST(ConfigTest, AListOfTheCommandLineTakesThePlaceOfOthers) {
  Flags flags;
  ASSERT_TRUE(flags
                  .Fill("--model_versions=m:1 --model_versions=m:2",
                        {{"PADDLE_SERVER_MODEL_VERSIONS", "n:2"}})
                  .ok());
  EXPECT_THAT(flags.model_versions, ElementsAre("m:1", "m:2"));
}

TEST(ConfigTest, WhatIsNotKnownIsToldWithItsPlaceAndTheNearestName) {
  const std::string file = Written("\nmax_queu: 3\n");
  EXPECT_EQ(Flags().Fill("--config=" + file, {}).message(),
            file + ":2: max_queu is not known; the nearest name is max_queue");
  EXPECT_EQ(Flags().Fill("", {{"PADDLE_SERVER_MAXQUEUE", "3"}}).message(),
            "in the environment: PADDLE_SERVER_MAXQUEUE is not known; the "
            "nearest name is PADDLE_SERVER_MAX_QUEUE");
  // Names of files are not set by a file.
  EXPECT_THAT(Flags().Fill("--config=" + Written("config: x\n"), {}).message(),
              HasSubstr("config is not known"));
  Flags ignored;
  EXPECT_TRUE(ignored
                  .Fill("--config=" + file, {{"PADDLE_SERVER_MAXQUEUE", "3"}},
                        Config::Unknown::kIgnored)
                  .ok());
}

// Of a Service that is called paddle-server.
TEST(ConfigTest, WhatKubernetesPutsThereIsNobodys) {
  EXPECT_TRUE(Flags()
                  .Fill("", {{"PADDLE_SERVER_PORT", "tcp://10.0.0.1:80"},
                             {"PADDLE_SERVER_PORT_80_TCP_ADDR", "10.0.0.1"},
                             {"PADDLE_SERVER_SERVICE_PORT_HTTP", "80"}})
                  .ok());
}

TEST(ConfigTest, AWrongValueIsToldWithItsPlace) {
  const std::string file = Written("host: h\nmax_queue: many\n");
  EXPECT_THAT(std::string(Flags().Fill("--config=" + file, {}).message()),
              AllOf(HasSubstr(file + ":2: "), HasSubstr("many")));
  EXPECT_THAT(
      std::string(
          Flags().Fill("", {{"PADDLE_SERVER_MAX_QUEUE", "0"}}).message()),
      AllOf(HasSubstr("PADDLE_SERVER_MAX_QUEUE: "),
            HasSubstr("not in range 1 to 1000000")));
  EXPECT_THAT(
      std::string(
          Flags().Fill("--config=" + Written("level: loud\n"), {}).message()),
      HasSubstr(".yaml:1: "));
  EXPECT_THAT(
      std::string(
          Flags().Fill("--config=" + Written("host: [a, b]\n"), {}).message()),
      HasSubstr("1: host takes one value, not a list"));
}

TEST(ConfigTest, AFileThatIsNoneIsToldWithItsLine) {
  const std::pair<std::string, std::string> kWrong[] = {
      {"a: 1\nb: {c: 2}\n", "2: b needs a value, or a list of values"},
      {"a:\n", "1: a needs a value"},
      {"a:\n - 1\n - [2]\n", "3: a needs a value"},
      {"- a\n", "1: not a mapping"},
      {"a\n", "1: not a mapping"},
      {"[a]: 1\n", "1: a name is not one word"},
      {"a: 1\nb: 2\na: 3\n", "3: a is there twice"},
      {"a: 1\n---\nb: 2\n", ": more than one document"},
      {"a: 1\n}\nb: 2\n", "2: illegal flow end"},
      {"a: 1\n...\nb: 2\n", ": more than one document"},
      {"a: 1\n\tb: 2\n", "2: "},
      {"a: [x\n", "2: "},
      {"a: *b\n", "1: "},
      {"a: \x01\xff\n", ""},
      {std::string(100'000, '['), "1: "},
      {std::string(2'000'000, '#'), " is larger than 1048576 bytes"}};
  for (const auto& [text, wrong] : kWrong) {
    const std::string path = Written(text);
    const auto settings = ReadConfigFile(path);
    if (wrong.empty()) continue;  // whatever it says, it says
    ASSERT_FALSE(settings.ok()) << text.substr(0, 100);
    EXPECT_THAT(std::string(settings.status().message()),
                AllOf(HasSubstr(path), HasSubstr(wrong)));
  }
  EXPECT_THAT(std::string(ReadConfigFile("/nowhere").status().message()),
              HasSubstr("/nowhere cannot be read: No such file or directory"));
  EXPECT_THAT(std::string(ReadConfigFile("/").status().message()),
              HasSubstr("/ cannot be read: Is a directory"));
  for (const char* text :
       {"", "# nothing\n", "---\n", "{}\n", "---\n{}\n...\n"}) {
    const auto settings = ReadConfigFile(Written(text));
    ASSERT_TRUE(settings.ok()) << settings.status();
    EXPECT_THAT(*settings, IsEmpty());
  }
}

// As anchors of anchors make a gigabyte of a hundred lines, in what copies.
TEST(ConfigTest, AnchorsAreNotMultiplied) {
  std::string text = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 100; ++i) {
    absl::StrAppend(&text, "a", i, ": &a", i, " [*a", i - 1, ", *a", i - 1,
                    "]\n");
  }
  EXPECT_THAT(std::string(ReadConfigFile(Written(text)).status().message()),
              HasSubstr("needs a value"));
}

TEST(ConfigTest, WhatIsPrintedIsAFileThatGivesTheSame) {
  Flags flags;
  ASSERT_TRUE(flags
                  .Fill("--max_queue=7 --model_versions=m:1,3",
                        {{"PADDLE_SERVER_HOST", "::"},
                         {"PADDLE_SERVER_LEVEL", "debug"}})
                  .ok());
  const std::string text = flags.config.Text();
  EXPECT_THAT(text, HasSubstr("# Requests that may wait.\nmax_queue: 7  # "
                              "--max_queue\n"));
  EXPECT_THAT(text, HasSubstr("# grpc_port: 8081\n"));
  Flags again;
  ASSERT_TRUE(again.Fill("--config=" + Written(text), {}).ok());
  EXPECT_EQ(again.max_queue, 7);
  EXPECT_EQ(again.host, "::");
  EXPECT_EQ(again.level, "debug");
  EXPECT_EQ(again.grpc_port, std::nullopt);
  EXPECT_THAT(again.model_versions, ElementsAre("m:1,3"));
}

TEST(ConfigTest, AProcesssEnvironmentIsRead) {
  using std::string_literals::operator""s;
  EXPECT_THAT(ParseEnvironment("A=1\0B=x=y\0C=\0"s),
              ElementsAre(testing::Pair("A", "1"), testing::Pair("B", "x=y"),
                          testing::Pair("C", "")));
}

}  // namespace
}  // namespace server
