#include "cc/frontend/rest/json_text.h"

#include <algorithm>
#include <new>

namespace rest {
namespace {

// Larger JSON than this gets a parser of its own, so that the memory of one
// large request is not held for good.
constexpr size_t kKeptParserBytes = 1 << 20;

absl::Status CheckEnd(json::document* document) {
  return document->current_location().error() == simdjson::OUT_OF_BOUNDS
             ? absl::OkStatus()
             : Malformed(simdjson::TRAILING_CONTENT);
}

// simdjson 3.0.1 does not look whether it was given its buffer for strings, and
// writes to where there is none. So as much is asked for first: what is given
// back at once is what the allocator gives next.
bool HasRoomToParse(const json::parser& parser, size_t size) {
  if (parser.capacity() >= size) return true;
  const size_t bytes = 5 * size / 3 + 2 * simdjson::SIMDJSON_PADDING;
  // Volatile, so that the compiler does not find that nobody needs it.
  char* volatile room = new (std::nothrow) char[bytes];
  const bool has_room = room != nullptr;
  delete[] room;
  return has_room;
}

simdjson::error_code Iterate(json::parser* parser,
                             simdjson::padded_string_view text,
                             json::document* document) {
  if (!HasRoomToParse(*parser, text.size())) return simdjson::MEMALLOC;
  const auto error = parser->iterate(text).get(*document);
  // It may have some of its buffers, and think that it has all.
  if (error == simdjson::MEMALLOC) *parser = json::parser();
  return error;
}

// With one parser or another.
absl::Status ParseObject(json::parser* parser,
                         simdjson::padded_string_view text,
                         absl::FunctionRef<absl::Status(json::object)> f) {
  json::document document;
  if (const auto error = Iterate(parser, text, &document)) {
    return Malformed(error);
  }
  json::object root;
  if (const auto error = document.get_object().get(root)) {
    return error == simdjson::INCORRECT_TYPE
               ? Invalid("the request body must be a JSON object")
               : Malformed(error);
  }
  if (absl::Status status = f(root); !status.ok()) return status;
  return CheckEnd(&document);
}

}  // namespace

JsonText::JsonText(const absl::Cord& body, size_t size, bool padded)
    : size_(size) {
  const absl::string_view first =
      size > 0 ? *body.chunk_begin() : absl::string_view();
  if (padded && first.size() >= size) {
    data_ = first.data();
    return;
  }
  copy_.reset(new char[size + simdjson::SIMDJSON_PADDING]());
  char* to = copy_.get();
  const absl::Cord part = body.Subcord(0, size);
  for (const absl::string_view chunk : part.Chunks()) {
    to = std::copy(chunk.begin(), chunk.end(), to);
  }
  data_ = copy_.get();
}

absl::Status ParseObject(simdjson::padded_string_view text,
                         absl::FunctionRef<absl::Status(json::object)> f) {
  if (text.size() > kKeptParserBytes) {
    json::parser parser;
    return ParseObject(&parser, text, f);
  }
  static thread_local json::parser parser;
  return ParseObject(&parser, text, f);
}

absl::Status ParseArray(std::string_view text,
                        absl::FunctionRef<absl::Status(json::array)> f) {
  json::parser parser;
  json::document document;
  const simdjson::padded_string_view padded(
      text, text.size() + simdjson::SIMDJSON_PADDING);
  if (const auto error = Iterate(&parser, padded, &document)) {
    return Malformed(error);
  }
  json::array array;
  if (const auto error = document.get_array().get(array)) {
    return Malformed(error);
  }
  if (absl::Status status = f(array); !status.ok()) return status;
  return CheckEnd(&document);
}

}  // namespace rest
