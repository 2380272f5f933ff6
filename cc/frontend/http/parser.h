// HTTP/1.1 requests out of a stream of bytes, read strictly (RFC 9112): what
// two programs might read in two ways is refused, and every part has a bound.
// What is read does not depend on how the stream is cut.
#ifndef CC_FRONTEND_HTTP_PARSER_H_
#define CC_FRONTEND_HTTP_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cc/frontend/http/http.h"

namespace http {

struct Limits {
  size_t head_bytes = 32 << 10;  // request line and headers
  size_t headers = 128;
  size_t body_bytes = 64 << 20;
};

// Reads one request after the other, all but the bytes of their bodies: those
// it finds and passes on. Not thread-safe.
class Parser {
 public:
  enum class State {
    kHead,      // request line and headers are not complete
    kBody,      // the body is not complete
    kComplete,  // Take() the request
    kError,     // no way on: see error()
  };
  struct Fed {
    size_t taken = 0;        // from the front of what was fed
    absl::string_view body;  // the part of it that belongs to the body
  };

  // `single_headers`: names of headers, beside those of RFC 9112, that may
  // stand once.
  Parser(const Limits& limits, const std::vector<std::string>& single_headers);

  // Takes what is next in `data`: a head, or what there is of it; a piece of
  // the body; the rest of the request. To be called again while some is left
  // and the request is not complete.
  Fed Feed(absl::string_view data);

  State state() const { return state_; }
  // Whether any byte of a request has come.
  bool started() const {
    return state_ != State::kHead || (!head_.empty() && head_ != "\r");
  }

  // Once the head is read: the request without its body.
  const Request& head() const { return request_; }
  bool chunked() const { return chunked_; }
  // What Content-Length says.
  uint64_t declared() const { return declared_; }
  // Bytes of the body still to come, where that is known.
  std::optional<uint64_t> missing() const {
    if (chunked_) return std::nullopt;
    return missing_;
  }
  // Whether the client waits for "100 Continue" before it sends the body.
  bool expects_continue() const { return expects_continue_; }

  const Error& error() const { return error_; }
  // The complete request; the parser then expects the next one.
  Request Take();

 private:
  enum class Chunk { kSize, kData, kDataEnd, kTrailer };

  size_t FeedHead(absl::string_view data);
  bool SkipBlankLines(absl::string_view* data);
  // The size of the head at the front of `text`, if its end is there.
  std::optional<size_t> FindEnd(absl::string_view text);
  void ParseHead(absl::string_view head);
  bool ParseRequestLine(absl::string_view line);
  bool ParseTarget(absl::string_view target);
  bool ParseHeader(absl::string_view line);
  bool CheckHeaders();
  bool CheckSingle(absl::string_view name, size_t index);
  bool CheckTransferEncoding(absl::string_view value);

  Fed FeedBody(absl::string_view data);
  // Takes a line between chunks, or what there is of it.
  size_t FeedLine(absl::string_view data);
  bool ChunkLine(absl::string_view line);
  bool ChunkSize(absl::string_view line);
  bool Trailer(absl::string_view line);

  bool Fail(int status, std::string message);

  const Limits limits_;
  std::vector<std::string> single_headers_;
  State state_ = State::kHead;
  Error error_;
  Request request_;

  std::string head_;       // what has come of a head that came in pieces
  size_t scanned_ = 0;     // of the head, in search of its end
  size_t line_start_ = 0;  // of the line that is being scanned
  int blank_lines_ = 0;    // before the request
  std::string authority_;  // of an absolute target
  bool http_1_0_ = false;
  bool expects_continue_ = false;

  bool chunked_ = false;
  uint64_t declared_ = 0;
  uint64_t missing_ = 0;   // bytes of the body, or of the chunk, still to come
  uint64_t received_ = 0;  // bytes of a chunked body
  Chunk chunk_ = Chunk::kSize;
  std::string line_;            // what has come of a line between chunks
  uint64_t framing_bytes_ = 0;  // of such lines, all together
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_PARSER_H_
