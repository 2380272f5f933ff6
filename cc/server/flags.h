// Command-line flags of one subcommand: --name=value or --name value.
//
//   int64_t port = 8080;
//   Flags flags("serve", "Serves models over HTTP.");
//   flags.Int("port", &port, 0, 65535, "Port to listen on.");
//   absl::Status status = flags.Parse(arguments);
//
// Own code because abseil's flags are global, where each subcommand here has
// its own, and its own help.
#ifndef CC_SERVER_FLAGS_H_
#define CC_SERVER_FLAGS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace server {

class Flags {
 public:
  Flags(std::string command, std::string about)
      : command_(std::move(command)), about_(std::move(about)) {}

  // The variable holds the default; without one the flag is required.
  void String(absl::string_view name, std::string* value,
              absl::string_view help, bool required = false);
  // May stand there several times.
  void Strings(absl::string_view name, std::vector<std::string>* values,
               absl::string_view help, bool required = false);
  // Refuses what lies outside [min, max].
  void Int(absl::string_view name, int64_t* value, int64_t min, int64_t max,
           absl::string_view help);

  // INVALID_ARGUMENT names the flag. `help()` says whether --help was there;
  // then nothing is required.
  absl::Status Parse(const std::vector<std::string>& arguments);
  bool help() const { return help_; }
  std::string HelpText() const;

 private:
  struct Flag {
    std::string name;
    std::string help;
    std::string default_text;
    bool required = false;
    std::function<absl::Status(const std::string&)> set;
    bool given = false;
  };

  const std::string command_;
  const std::string about_;
  std::vector<Flag> flags_;
  bool help_ = false;
};

}  // namespace server

#endif  // CC_SERVER_FLAGS_H_
