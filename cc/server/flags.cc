#include "cc/server/flags.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace server {

void Flags::String(absl::string_view name, std::string* value,
                   absl::string_view help, bool required) {
  flags_.push_back({std::string(name), std::string(help), *value, required,
                    [value](const std::string& text) {
                      *value = text;
                      return absl::OkStatus();
                    }});
}

void Flags::Strings(absl::string_view name, std::vector<std::string>* values,
                    absl::string_view help, bool required) {
  flags_.push_back({std::string(name), std::string(help), "", required,
                    [values](const std::string& text) {
                      values->push_back(text);
                      return absl::OkStatus();
                    }});
}

void Flags::Int(absl::string_view name, int64_t* value, int64_t min,
                int64_t max, absl::string_view help) {
  flags_.push_back(
      {std::string(name), std::string(help), absl::StrCat(*value), false,
       [=](const std::string& text) {
         int64_t number = 0;
         if (!absl::SimpleAtoi(text, &number) || number < min || number > max) {
           return absl::InvalidArgumentError(absl::StrCat(
               "\"", text, "\" is no number from ", min, " to ", max));
         }
         *value = number;
         return absl::OkStatus();
       }});
}

absl::Status Flags::Parse(const std::vector<std::string>& arguments) {
  const std::string see = absl::StrCat("; see `server ", command_, " --help`");
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      help_ = true;
      return absl::OkStatus();
    }
    if (!absl::StartsWith(argument, "--")) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument \"", argument, "\"", see));
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals - 2);
    const auto flag =
        std::find_if(flags_.begin(), flags_.end(),
                     [&](const Flag& f) { return f.name == name; });
    if (flag == flags_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag --", name, see));
    }
    if (equals == argument.npos && i + 1 == arguments.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", name, " lacks its value", see));
    }
    const std::string value =
        equals == argument.npos ? arguments[++i] : argument.substr(equals + 1);
    if (absl::Status status = flag->set(value); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", name, ": ", status.message(), see));
    }
    flag->given = true;
  }
  for (const Flag& flag : flags_) {
    if (flag.required && !flag.given) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --", flag.name, " is missing", see));
    }
  }
  return absl::OkStatus();
}

std::string Flags::HelpText() const {
  std::string text =
      absl::StrCat("server ", command_, ": ", about_, "\n\nFlags:\n");
  for (const Flag& flag : flags_) {
    absl::StrAppend(&text, "  --", flag.name,
                    flag.required               ? "  (required)"
                    : flag.default_text.empty() ? ""
                                                : "=" + flag.default_text,
                    "\n      ", flag.help, "\n");
  }
  return text;
}

}  // namespace server
