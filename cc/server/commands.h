// The subcommands of the program. Each takes its arguments and returns the
// exit code: 0 done, 1 failed, 2 wrong usage.
#ifndef CC_SERVER_COMMANDS_H_
#define CC_SERVER_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cc/server/flags.h"

namespace server {

int Serve(const std::vector<std::string>& arguments);
int Predict(const std::vector<std::string>& arguments);
int HealthCheck(const std::vector<std::string>& arguments);

// Parses; an exit code if the command is over: --help was given (0), or the
// flags are wrong (2, said on stderr); -1 otherwise.
int ParseFlags(const std::vector<std::string>& arguments, Flags* flags);

// Says on stderr what failed; returns 1.
int Failed(const absl::Status& status);

}  // namespace server

#endif  // CC_SERVER_COMMANDS_H_
