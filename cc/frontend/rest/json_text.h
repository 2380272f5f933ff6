// The text that simdjson reads, and its parsers.
#ifndef CC_FRONTEND_REST_JSON_TEXT_H_
#define CC_FRONTEND_REST_JSON_TEXT_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cc/frontend/rest/json_reader.h"

namespace rest {

// The first `size` bytes of a body as simdjson wants them: in one piece, with
// room behind it. `padded`: each chunk of the body has that.
class JsonText {
 public:
  JsonText(const absl::Cord& body, size_t size, bool padded);

  simdjson::padded_string_view view() const {
    return simdjson::padded_string_view(data_, size_,
                                        size_ + simdjson::SIMDJSON_PADDING);
  }

 private:
  const size_t size_;
  const char* data_ = nullptr;
  std::unique_ptr<char[]> copy_;
};

// Calls f with the root of a text, an object; nothing may follow it.
absl::Status ParseObject(simdjson::padded_string_view text,
                         absl::FunctionRef<absl::Status(json::object)> f);

// The same of an array, which lies in a text that is being parsed.
absl::Status ParseArray(std::string_view text,
                        absl::FunctionRef<absl::Status(json::array)> f);

}  // namespace rest

#endif  // CC_FRONTEND_REST_JSON_TEXT_H_
