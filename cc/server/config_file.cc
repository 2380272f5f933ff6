#include "cc/server/config_file.h"

#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cc/base/read_file.h"
#include "yaml-cpp/emitfromevents.h"
#include "yaml-cpp/yaml.h"

namespace server {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

std::string Place(const std::string& path, const YAML::Mark& mark) {
  return mark.is_null() ? path : absl::StrCat(path, ":", mark.line + 1);
}

absl::Status Wrong(const std::string& place, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(place, ": ", what));
}

// Whether Load left something unread, of which it does not tell. (LoadAll never
// ends at a bracket that nothing opened.)
bool MoreFollows(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  YAML::Emitter nowhere;
  YAML::EmitFromEvents events(nowhere);
  parser.HandleNextDocument(events);
  return static_cast<bool>(parser);
}

absl::StatusOr<Setting> Read(const std::string& path, const YAML::Node& key,
                             const YAML::Node& value) {
  Setting setting;
  setting.place = Place(path, key.Mark());
  if (!key.IsScalar()) return Wrong(setting.place, "a name is not one word");
  setting.name = key.Scalar();
  if (value.IsScalar()) {
    setting.values.push_back(value.Scalar());
    return setting;
  }
  const std::string wrong =
      absl::StrCat(setting.name, " needs a value, or a list of values");
  if (!value.IsSequence()) return Wrong(setting.place, wrong);
  setting.list = true;
  for (const YAML::Node& one : value) {
    if (!one.IsScalar()) return Wrong(Place(path, one.Mark()), wrong);
    setting.values.push_back(one.Scalar());
  }
  return setting;
}

}  // namespace

absl::StatusOr<std::vector<Setting>> ReadConfigFile(const std::string& path) {
  const absl::StatusOr<std::string> text = base::ReadFile(path, kMaxBytes);
  if (!text.ok()) return text.status();
  std::vector<Setting> settings;
  std::set<std::string> names;
  try {
    const YAML::Node document = YAML::Load(*text);
    if (MoreFollows(*text)) {
      return Wrong(path,
                   "more than one document, or a bracket that nothing opened");
    }
    if (document.IsNull()) return settings;
    if (!document.IsMap()) {
      return Wrong(Place(path, document.Mark()),
                   "not a mapping; a line is like `max_queue: 64`");
    }
    for (const auto& entry : document) {
      absl::StatusOr<Setting> setting = Read(path, entry.first, entry.second);
      if (!setting.ok()) return setting.status();
      if (!names.insert(setting->name).second) {
        return Wrong(setting->place,
                     absl::StrCat(setting->name, " is there twice"));
      }
      settings.push_back(*std::move(setting));
    }
  } catch (const YAML::Exception& error) {
    return Wrong(Place(path, error.mark), error.msg);
  }
  return settings;
}

std::string ConfigValue(const std::vector<std::string>& values, bool list) {
  YAML::Emitter emitter;
  if (list) {
    emitter << YAML::Flow << values;
  } else {
    emitter << (values.empty() ? "" : values.back());
  }
  return emitter.c_str();
}

}  // namespace server
