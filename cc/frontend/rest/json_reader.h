// Reading JSON with simdjson's on-demand interface, which by itself checks no
// more than what is asked for: these functions ask for everything, so that what
// RFC 8259 does not allow is refused even where nobody reads it.
#ifndef CC_FRONTEND_REST_JSON_READER_H_
#define CC_FRONTEND_REST_JSON_READER_H_

#include <simdjson.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/base/text.h"

namespace rest {

namespace json = simdjson::ondemand;

inline absl::Status Invalid(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

inline absl::Status Malformed(simdjson::error_code error) {
  if (error == simdjson::MEMALLOC) {
    return absl::ResourceExhaustedError(
        "the server has no memory to read this JSON just now");
  }
  return Invalid(
      absl::StrCat("the JSON is malformed: ", simdjson::error_message(error)));
}

// Puts `where` in front of an error.
inline absl::Status At(absl::string_view where, const absl::Status& status) {
  return status.ok() ? status
                     : absl::Status(status.code(),
                                    absl::StrCat(where, status.message()));
}

// Reads all of a value, whatever it is.
absl::Status PassOver(json::value value, int depth = 0);

// The value as a T, or the error "`name` is no `kind`".
template <typename T>
absl::Status Get(json::value value, absl::string_view name,
                 absl::string_view kind, T* result) {
  const simdjson::error_code error = value.get(*result);
  if (error == simdjson::SUCCESS) return absl::OkStatus();
  if (error == simdjson::INCORRECT_TYPE || error == simdjson::NUMBER_ERROR ||
      error == simdjson::NUMBER_OUT_OF_RANGE) {
    return Invalid(absl::StrCat("\"", name, "\" is no ", kind));
  }
  return Malformed(error);
}
absl::Status GetString(json::value value, absl::string_view name,
                       std::string* result);

// Calls f(i, value) for the field names[i], in the order in which they come,
// but for null, which counts as absent. A name that is there twice is an error:
// programs differ in which one counts. Other fields are passed over.
template <size_t N, typename F>
absl::Status ReadFields(json::object object,
                        const std::array<absl::string_view, N>& names, F f) {
  static_assert(N <= 32);
  uint32_t seen = 0;
  for (auto field : object) {
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) {
      return Malformed(error);
    }
    json::value value;
    if (const auto error = field.value().get(value)) return Malformed(error);
    size_t i = 0;
    while (i < N && names[i] != absl::string_view(key.data(), key.size())) ++i;
    if (i == N) {
      if (absl::Status status = PassOver(value); !status.ok()) return status;
      continue;
    }
    if ((seen & (1u << i)) != 0) {
      return Invalid(absl::StrCat("\"", names[i], "\" is given twice"));
    }
    seen |= 1u << i;
    bool null = false;
    if (value.is_null().get(null)) return Malformed(simdjson::N_ATOM_ERROR);
    if (null) continue;
    if (absl::Status status = f(i, value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// The same of a value, which must be an object; `what` it is, for the error.
template <size_t N, typename F>
absl::Status ReadFields(json::value value, absl::string_view what,
                        const std::array<absl::string_view, N>& names, F f) {
  json::object object;
  if (const auto error = value.get(object)) {
    return error == simdjson::INCORRECT_TYPE
               ? Invalid(absl::StrCat(what, " must be a JSON object"))
               : Malformed(error);
  }
  return ReadFields(object, names, f);
}

// Calls f(value) for each element of an array; `name` it has, for the error.
template <typename F>
absl::Status ReadElements(json::value value, absl::string_view name, F f) {
  json::array array;
  if (absl::Status status = Get(value, name, "array", &array); !status.ok()) {
    return status;
  }
  for (auto result : array) {
    json::value element;
    if (const auto error = result.get(element)) return Malformed(error);
    if (absl::Status status = f(element); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace rest

#endif  // CC_FRONTEND_REST_JSON_READER_H_
