#include "cc/engine/metadata.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/engine/json_reader.h"

namespace engine {
namespace {

struct Told {
  std::string name;
  bool has_range = false;
  std::vector<std::string> range;  // as it is written; empty: not two numbers
};

// One member of "inputs".
bool ReadInput(Json* json, Told* told) {
  return json->Object([&](const std::string& key) {
    if (key == "name" && json->Next() == '"') return json->String(&told->name);
    if (key != "range" || json->Next() == 'n') return json->Skip();
    told->has_range = true;
    if (json->Next() != '[') return json->Skip();
    return json->Array([&] {
      if (json->Next() == '[' || json->Next() == '{' || json->Next() == '"') {
        return json->Skip();
      }
      return json->Word(&told->range.emplace_back());
    });
  });
}

absl::Status Narrow(const Told& told, std::vector<TensorSpec>* inputs) {
  const auto spec = std::find_if(
      inputs->begin(), inputs->end(),
      [&](const TensorSpec& one) { return one.name == told.name; });
  const auto invalid = [&](const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat("the range of input ", told.name, " ", what));
  };
  if (spec == inputs->end()) return invalid("is of no input of the program");
  ValueRange range;
  if (told.range.size() != 2 || !absl::SimpleAtoi(told.range[0], &range.min) ||
      !absl::SimpleAtoi(told.range[1], &range.max) || range.min > range.max) {
    return invalid("is not [LEAST, GREATEST], two whole numbers");
  }
  range.reason = "metadata.json";
  if (spec->range &&
      (range.min < spec->range->min || range.max > spec->range->max)) {
    return invalid(absl::StrCat("is [", range.min, ", ", range.max,
                                "], wider than what the program bears: [",
                                spec->range->min, ", ", spec->range->max, "] (",
                                spec->range->reason, ")"));
  }
  // The same range keeps its own reason.
  if (!spec->range || range.min != spec->range->min ||
      range.max != spec->range->max) {
    spec->range = std::move(range);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status NarrowRanges(std::string_view metadata,
                          std::vector<TensorSpec>* inputs) {
  Json json(metadata);
  std::vector<Told> all;
  const bool whole = json.Object([&](const std::string& key) {
    if (key != "inputs" || json.Next() != '[') return json.Skip();
    return json.Array([&] {
      if (json.Next() != '{') return json.Skip();
      return ReadInput(&json, &all.emplace_back());
    });
  }) && json.AtEnd();
  if (!whole || !base::IsUtf8({metadata.data(), metadata.size()})) {
    return absl::DataLossError("it is no JSON object");
  }
  for (const Told& told : all) {
    if (!told.has_range) continue;
    absl::Status status = Narrow(told, inputs);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status NarrowRangesByFile(const std::string& model_dir,
                                std::vector<TensorSpec>* inputs) {
  const std::string path = model_dir + "/metadata.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const absl::Status status = NarrowRanges(text.str(), inputs);
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

}  // namespace engine
