// server: serves Paddle models over HTTP, or runs one once.

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cc/engine/engine.h"
#include "cc/frontend/rest/rest.h"
#include "cc/server/commands.h"

namespace server {
namespace {

std::string Usage(absl::string_view what, absl::string_view command) {
  return absl::StrCat("server: ", what, "; see `server ", command,
                      command.empty() ? "" : " ", "--help`\n");
}

std::string UsageError(const CLI::App* program, const CLI::Error& error) {
  const auto commands = program->get_subcommands();
  return Usage(error.what(), commands.empty() ? "" : commands[0]->get_name());
}

// Throws CLI::ParseError for wrong usage, and for --help and --version too.
void Parse(int argc, char** argv, CLI::App* program) {
  std::vector<std::string> arguments;  // the last one first, as CLI11 wants
  for (int i = argc - 1; i > 0; --i) {
    const std::string argument = argv[i];
    if (absl::StartsWith(argument, "--") &&
        argument.find('=') == argument.size() - 1) {
      // For an empty value CLI11 2.1 would take the next flag.
      arguments.push_back("");
      arguments.push_back(argument.substr(0, argument.size() - 1));
    } else {
      arguments.push_back(argument);
    }
  }
  program->parse(std::move(arguments));
  // CLI11's own check comes first and would not name an unknown subcommand.
  if (program->get_subcommands().empty()) {
    throw CLI::RequiredError::Subcommand(1);
  }
}

int Main(int argc, char** argv) {
  CLI::App program(
      "Serves Paddle models over HTTP (Open Inference Protocol v2), or runs "
      "one once.",
      "server");
  program.set_version_flag("--version", [] {
    return absl::StrCat(rest::kServerName, " ", rest::kServerVersion,
                        " (Paddle ", engine::PaddleVersion(), ")");
  });
  program.require_subcommand(0, 1);
  program.failure_message(UsageError);
  // Whoever starts an image can override what is given there.
  program.option_defaults()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->always_capture_default();
  const Command commands[] = {
      AddServe(&program),       AddPredict(&program),  AddOcr(&program),
      AddHealthCheck(&program), AddGpuCheck(&program), AddTune(&program),
  };
  // After the subcommands, which would take it over.
  program.footer("`server SUBCOMMAND --help` lists the flags of a subcommand.");
  try {
    Parse(argc, argv, &program);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  }
  return std::find_if(std::begin(commands), std::end(commands),
                      [](const Command& c) { return c.app->parsed(); })
      ->run();
}

}  // namespace

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "server: %s\n", std::string(status.message()).c_str());
  return 1;
}

int WrongUsage(const absl::Status& status, absl::string_view command) {
  std::fputs(Usage(status.message(), command).c_str(), stderr);
  return 2;
}

}  // namespace server

int main(int argc, char** argv) {
  // Debian's absl is built with its checks, of which this one costs each lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return server::Main(argc, argv);
}
