// Where a command's options have their values from: the command line
// (--max_queue=64), the environment (PADDLE_SERVER_MAX_QUEUE=64), a YAML file
// (max_queue: 64), in this order, or else their defaults.
//
// Every option of the command takes part, by the one name that it has. CLI11's
// own way cannot serve: its file comes before the environment, belongs to the
// program instead of a command, and its errors name no line.
#ifndef CC_SERVER_CONFIG_H_
#define CC_SERVER_CONFIG_H_

#include <functional>
#include <map>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace server {

// Values by name.
using Environment = std::map<std::string, std::string>;

// Of NAME=VALUE, each ended by a zero byte, as /proc/PID/environ has it.
Environment ParseEnvironment(absl::string_view block);
// That with which a process began: its number, or "self". (`environ` is one of
// the names that libpaddle.so's libraries would bind to the program.)
Environment EnvironmentOf(const std::string& process);

class Config {
 public:
  enum class Unknown {
    kError,
    kIgnored,  // by one who knows but some of the options
  };

  // Adds --config and --print_config, when the other options are there.
  void Register(CLI::App* app);

  // Sets what the command line, which has been parsed, did not. A relative
  // path of the file begins at `directory`. INVALID_ARGUMENT, NOT_FOUND: where
  // and what is wrong.
  absl::Status Fill(const Environment& environment, Unknown unknown,
                    const std::string& directory = "");

  // Sets those that a file names and nothing before it did.
  absl::Status FillFromFile(const std::string& path, Unknown unknown);

  bool print() const { return print_; }
  // The options with their values as such a file, which sets no default.
  std::string Text() const;

 private:
  absl::Status FillFromEnvironment(const Environment& environment,
                                   Unknown unknown);

  CLI::App* app_ = nullptr;
  std::map<std::string, CLI::Option*> options_;  // by name
  std::map<const CLI::Option*, std::string> places_;
  std::string file_;
  bool print_ = false;
};

}  // namespace server

#endif  // CC_SERVER_CONFIG_H_
