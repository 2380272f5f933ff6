// The subcommands of the program.
#ifndef CC_SERVER_COMMANDS_H_
#define CC_SERVER_COMMANDS_H_

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace server {

struct Command {
  const CLI::App* app;  // the program's; says whether the command was given
  // With the flags parsed; returns the exit code: 0 done, 1 failed, and what
  // the command's --help says.
  std::function<int()> run;
};

// Each adds its subcommand and flags to the program.
Command AddServe(CLI::App* program);
Command AddPredict(CLI::App* program);
Command AddOcr(CLI::App* program);
Command AddHealthCheck(CLI::App* program);
Command AddGpuCheck(CLI::App* program);
Command AddTune(CLI::App* program);

// Says on stderr what failed; returns 1.
int Failed(const absl::Status& status);
// The same of flags, with the command whose --help tells of them; returns 2.
int WrongUsage(const absl::Status& status, absl::string_view command);

}  // namespace server

#endif  // CC_SERVER_COMMANDS_H_
