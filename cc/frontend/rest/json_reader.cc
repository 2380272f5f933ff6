#include "cc/frontend/rest/json_reader.h"

namespace rest {
namespace {

// Nobody nests what nobody reads; each level is a frame on the stack.
constexpr int kMaxDepth = 64;

absl::Status PassOverArray(json::value value, int depth) {
  json::array array;
  if (const auto error = value.get(array)) return Malformed(error);
  for (auto result : array) {
    json::value element;
    if (const auto error = result.get(element)) return Malformed(error);
    if (auto status = PassOver(element, depth + 1); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PassOverObject(json::value value, int depth) {
  json::object object;
  if (const auto error = value.get(object)) return Malformed(error);
  for (auto field : object) {
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) {
      return Malformed(error);
    }
    json::value inner;
    if (const auto error = field.value().get(inner)) return Malformed(error);
    if (auto status = PassOver(inner, depth + 1); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PassOverScalar(simdjson::error_code error) {
  return error ? Malformed(error) : absl::OkStatus();
}

}  // namespace

absl::Status PassOver(json::value value, int depth) {
  if (depth > kMaxDepth) return Malformed(simdjson::DEPTH_ERROR);
  json::json_type type{};
  if (const auto error = value.type().get(type)) return Malformed(error);
  switch (type) {
    case json::json_type::array:
      return PassOverArray(value, depth);
    case json::json_type::object:
      return PassOverObject(value, depth);
    case json::json_type::string:
      return PassOverScalar(value.get_string().error());
    case json::json_type::number:
      return PassOverScalar(value.get_number().error());
    case json::json_type::boolean:
      return PassOverScalar(value.get_bool().error());
    case json::json_type::null:
      return PassOverScalar(value.is_null().error());
  }
  return Malformed(simdjson::TAPE_ERROR);
}

absl::Status GetString(json::value value, absl::string_view name,
                       std::string* result) {
  std::string_view text;
  absl::Status status = Get(value, name, "string", &text);
  if (status.ok()) result->assign(text);
  return status;
}

}  // namespace rest
