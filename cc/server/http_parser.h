// HTTP/1.1 requests out of a stream of bytes, read strictly (RFC 9112): what
// two programs might read in two ways is refused, and every part has a bound.
//
// It is our own, rather than libevent's evhttp, because evhttp 2.1 answers
// malformed and oversized requests itself, in HTML, where the protocol we
// serve promises {"error": "..."} always.
#ifndef CC_SERVER_HTTP_PARSER_H_
#define CC_SERVER_HTTP_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "cc/server/http.h"

namespace server {

// Reads one request after the other. Not thread-safe.
class HttpParser {
 public:
  struct Limits {
    size_t head_bytes = 32 << 10;  // request line and headers
    size_t body_bytes = 64 << 20;
  };
  enum class State {
    kHead,      // request line and headers are not complete
    kBody,      // the body is not complete
    kComplete,  // Take() the request
    kError,     // no way on: see error()
  };

  explicit HttpParser(const Limits& limits) : limits_(limits) {}

  // Takes bytes from the front of `data` until a request is complete; returns
  // how many it took.
  size_t Feed(absl::string_view data);

  State state() const { return state_; }
  // Whether any byte of a request has come.
  bool started() const { return state_ != State::kHead || !head_.empty(); }
  // Whether the client waits for "100 Continue" before it sends the body.
  bool wants_continue() const {
    return state_ == State::kBody && expects_continue_;
  }
  void Continued() { expects_continue_ = false; }

  const HttpError& error() const { return error_; }
  // The complete request; the parser then expects the next one.
  HttpRequest Take();

 private:
  enum class Chunk { kSize, kData, kDataEnd, kTrailer };

  size_t FeedHead(absl::string_view data);
  size_t FeedChunked(absl::string_view data);
  void ParseHead();
  bool ParseRequestLine(absl::string_view line);
  bool ParseHeader(absl::string_view line);
  bool CheckHeaders();
  bool ChunkLine();
  bool Fail(int status, std::string message);

  const Limits limits_;
  State state_ = State::kHead;
  HttpError error_;
  HttpRequest request_;
  std::string head_;  // what has come of the head
  bool http_1_0_ = false;
  bool expects_continue_ = false;
  bool chunked_ = false;
  uint64_t missing_ = 0;  // bytes of the body, or of the chunk, still to come
  Chunk chunk_ = Chunk::kSize;
  std::string line_;          // what has come of a line between chunks
  size_t framing_bytes_ = 0;  // of such lines, all together
};

}  // namespace server

#endif  // CC_SERVER_HTTP_PARSER_H_
