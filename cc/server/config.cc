#include "cc/server/config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cc/server/config_file.h"

namespace server {
namespace {

constexpr absl::string_view kPrefix = "PADDLE_SERVER_";

bool TakesList(const CLI::Option& option) {
  return option.get_expected_max() > 1;
}

std::string VariableOf(absl::string_view name) {
  return absl::StrCat(kPrefix, absl::AsciiStrToUpper(name));
}

// Kubernetes puts such into each container of a namespace where a Service is
// called paddle-server: PADDLE_SERVER_PORT=tcp://10.0.0.1:80.
bool IsServiceLink(absl::string_view name, absl::string_view value) {
  return absl::StartsWith(name, "SERVICE_") ||
         absl::StartsWith(name, "PORT_") || absl::StartsWith(value, "tcp://") ||
         absl::StartsWith(value, "udp://") ||
         absl::StartsWith(value, "sctp://");
}

// How many letters one has to insert, leave out or change (Levenshtein).
size_t Distance(absl::string_view from, absl::string_view to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

absl::Status UnknownName(const std::string& place, absl::string_view name,
                         const std::vector<std::string>& known) {
  const auto nearest =
      std::min_element(known.begin(), known.end(),
                       [name](const std::string& a, const std::string& b) {
                         return Distance(name, a) < Distance(name, b);
                       });
  return absl::InvalidArgumentError(
      absl::StrCat(place, place.empty() ? "" : ": ", name,
                   " is not known; the nearest name is ", *nearest));
}

absl::Status Set(CLI::Option* option, const std::string& place,
                 std::vector<std::string> values, bool list) {
  if (list && !TakesList(*option)) {
    return absl::InvalidArgumentError(absl::StrCat(
        place, ": ", option->get_lnames()[0], " takes one value, not a list"));
  }
  if (values.empty()) return absl::OkStatus();  // a list without any
  try {
    option->add_result(std::move(values));
    option->run_callback();
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": ", error.what()));
  }
  return absl::OkStatus();
}

// As lines of a comment.
std::string Comment(const std::string& text) {
  constexpr size_t kWidth = 78;
  std::string lines = "#";
  size_t width = 1;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    if (width + 1 + word.size() > kWidth) {
      lines += "\n#";
      width = 1;
    }
    absl::StrAppend(&lines, " ", word);
    width += 1 + word.size();
  }
  return lines + "\n";
}

}  // namespace

Environment ParseEnvironment(absl::string_view block) {
  Environment environment;
  for (absl::string_view entry :
       absl::StrSplit(block, '\0', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(entry, absl::MaxSplits('=', 1));
    environment.emplace(parts.first, parts.second);
  }
  return environment;
}

Environment EnvironmentOf(const std::string& process) {
  std::ifstream file("/proc/" + process + "/environ");
  return ParseEnvironment(
      std::string{std::istreambuf_iterator<char>(file), {}});
}

void Config::Register(CLI::App* app) {
  app_ = app;
  for (CLI::Option* option : app->get_options()) {
    if (option->get_configurable() && !option->get_lnames().empty()) {
      options_[option->get_lnames()[0]] = option;
    }
  }
  app->add_option("--config", file_,
                  "YAML file with flags by their names, as `max_queue: 64`.")
      ->configurable(false)
      ->default_str("");
  app->add_flag("--print_config", print_,
                "Prints the flags that are in force, as such a file, and ends.")
      ->configurable(false);
  app->footer(
      "A flag that is not given is taken from the environment, --max_queue "
      "from PADDLE_SERVER_MAX_QUEUE\n(values of a list apart by spaces), else "
      "from the file of --config, else it has its default.");
}

absl::Status Config::Fill(const Environment& environment, Unknown unknown,
                          const std::string& directory) {
  for (const auto& [name, option] : options_) {
    if (option->count() > 0) places_[option] = absl::StrCat("--", name);
  }
  absl::Status status = FillFromEnvironment(environment, unknown);
  if (!status.ok()) return status;
  std::string file = file_;
  if (file.empty()) {
    const auto variable = environment.find(VariableOf("config"));
    if (variable != environment.end()) file = variable->second;
  }
  if (file.empty()) return absl::OkStatus();
  return FillFromFile(std::filesystem::path(directory) / file, unknown);
}

absl::Status Config::FillFromEnvironment(const Environment& environment,
                                         Unknown unknown) {
  for (const auto& [variable, value] : environment) {
    absl::string_view rest = variable;
    // What is empty is not there: how compose files leave one out.
    if (!absl::ConsumePrefix(&rest, kPrefix) || value.empty() ||
        IsServiceLink(rest, value) || variable == VariableOf("config")) {
      continue;
    }
    const std::string name = absl::AsciiStrToLower(rest);
    const auto found = options_.find(name);
    if (found == options_.end() || variable != VariableOf(name)) {
      if (unknown == Unknown::kIgnored) continue;
      std::vector<std::string> known = {VariableOf("config")};
      for (const auto& entry : options_) {
        known.push_back(VariableOf(entry.first));
      }
      return UnknownName("in the environment", variable, known);
    }
    CLI::Option* const option = found->second;
    if (places_.count(option) > 0) continue;
    const bool list = TakesList(*option);
    const std::vector<std::string> values =
        list ? absl::StrSplit(value, ' ', absl::SkipEmpty())
             : std::vector<std::string>{value};
    absl::Status status = Set(option, variable, values, list);
    if (!status.ok()) return status;
    places_[option] = variable;
  }
  return absl::OkStatus();
}

absl::Status Config::FillFromFile(const std::string& path, Unknown unknown) {
  const auto settings = ReadConfigFile(path);
  if (!settings.ok()) return settings.status();
  for (const Setting& setting : *settings) {
    const auto found = options_.find(setting.name);
    if (found == options_.end()) {
      if (unknown == Unknown::kIgnored) continue;
      std::vector<std::string> known;
      for (const auto& entry : options_) known.push_back(entry.first);
      return UnknownName(setting.place, setting.name, known);
    }
    CLI::Option* const option = found->second;
    if (places_.count(option) > 0) continue;
    absl::Status status =
        Set(option, setting.place, setting.values, setting.list);
    if (!status.ok()) return status;
    places_[option] = setting.place;
  }
  return absl::OkStatus();
}

std::string Config::Text() const {
  std::string text = "# What is commented out has its default.\n";
  for (const CLI::Option* option : app_->get_options()) {
    if (!option->get_configurable() || option->get_lnames().empty()) continue;
    const std::string& name = option->get_lnames()[0];
    const bool list = TakesList(*option);
    absl::StrAppend(&text, "\n", Comment(option->get_description()));
    const auto place = places_.find(option);
    if (place != places_.end()) {
      absl::StrAppend(&text, name, ": ", ConfigValue(option->results(), list),
                      "  # ", place->second, "\n");
    } else if (list) {
      absl::StrAppend(&text, "# ", name, ": []\n");
    } else {
      absl::StrAppend(&text, "# ", name, ": ",
                      ConfigValue({option->get_default_str()}, false), "\n");
    }
  }
  return text;
}

}  // namespace server
