#include "cc/frontend/http/parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cc/frontend/http/grammar.h"

namespace http {
namespace {

// Of those that registered methods have (RFC 9110 9.1, RFC 5789); whether one
// is allowed for a target is the handler's to say. CONNECT is for proxies.
constexpr std::array<absl::string_view, 8> kMethods = {
    "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};

// RFC 9112 2.2 asks for one at least.
constexpr int kMaxBlankLines = 8;

// A line between chunks; signed chunks have some 90 bytes of extensions.
constexpr size_t kMaxLine = 1024;
// What lines between chunks may have together beside what goes with the body's
// bytes: chunks of one byte each have five around them.
constexpr uint64_t kMaxFraming = 16 << 10;
constexpr uint64_t kMaxFramingPerByte = 6;

// Of what a client has sent, in a message.
absl::string_view Shortened(absl::string_view text) {
  return text.substr(0, 64);
}

}  // namespace

Parser::Parser(const Limits& limits,
               const std::vector<std::string>& single_headers)
    : limits_(limits), single_headers_(single_headers) {
  for (const char* name :
       {"Content-Length", "Content-Type", "Host", "Transfer-Encoding"}) {
    single_headers_.emplace_back(name);
  }
}

bool Parser::Fail(int status, std::string message) {
  state_ = State::kError;
  error_ = {status, std::move(message)};
  return false;
}

Parser::Fed Parser::Feed(absl::string_view data) {
  switch (state_) {
    case State::kHead:
      return {FeedHead(data), {}};
    case State::kBody:
      return FeedBody(data);
    case State::kComplete:
    case State::kError:
      break;
  }
  return {};
}

// Left over from a careless client (RFC 9112 2.2).
bool Parser::SkipBlankLines(absl::string_view* data) {
  if (head_ == "\r" && !data->empty()) {
    head_.clear();
    scanned_ = 0;
    if (!absl::ConsumePrefix(data, "\n")) {
      return Fail(400, "malformed end of line");
    }
    ++blank_lines_;
  }
  while (absl::ConsumePrefix(data, "\r\n")) ++blank_lines_;
  if (blank_lines_ > kMaxBlankLines) {
    return Fail(400, "too many empty lines before a request");
  }
  if (data->empty() || *data == "\r" || IsTokenChar((*data)[0])) return true;
  if ((*data)[0] == '\r') return Fail(400, "malformed end of line");
  if ((*data)[0] == '\x16') {
    return Fail(400, "this port serves http://, not https://");
  }
  return Fail(400, "malformed request line");
}

size_t Parser::FeedHead(absl::string_view data) {
  const size_t size = data.size();
  if (!started() && !SkipBlankLines(&data)) return size;
  const size_t skipped = size - data.size();
  if (head_.empty()) {
    // Most come whole: they are read where they lie.
    if (const auto end = FindEnd(data); end.has_value()) {
      ParseHead(data.substr(0, *end));
      return skipped + *end;
    }
    if (state_ != State::kError) head_.assign(data.data(), data.size());
    return size;
  }
  const size_t before = head_.size();
  head_.append(data.data(), std::min(data.size(), limits_.head_bytes - before));
  const auto end = FindEnd(head_);
  if (!end.has_value()) return size;
  ParseHead(absl::string_view(head_).substr(0, *end));
  return skipped + *end - before;
}

std::optional<size_t> Parser::FindEnd(absl::string_view text) {
  text = text.substr(0, limits_.head_bytes);
  for (;;) {
    const size_t end = text.find('\n', scanned_);
    if (end == text.npos) {
      scanned_ = text.size();
      if (text.size() == limits_.head_bytes) {
        Fail(431, absl::StrCat("request line and headers exceed ",
                               limits_.head_bytes, " bytes"));
      }
      return std::nullopt;
    }
    if (end == line_start_ || text[end - 1] != '\r') {
      Fail(400, "malformed end of line: LF without CR");
      return std::nullopt;
    }
    const bool blank = end == line_start_ + 1;
    scanned_ = line_start_ = end + 1;
    if (blank) return end + 1;
  }
}

void Parser::ParseHead(absl::string_view head) {
  bool first = true;
  for (;;) {
    const size_t end = head.find("\r\n");
    const absl::string_view line = head.substr(0, end);
    if (line.empty()) break;  // the last one
    if (!(first ? ParseRequestLine(line) : ParseHeader(line))) return;
    first = false;
    head.remove_prefix(end + 2);
  }
  if (!CheckHeaders()) return;
  state_ = chunked_ || missing_ > 0 ? State::kBody : State::kComplete;
}

bool Parser::ParseRequestLine(absl::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == line.npos || first == last) {
    return Fail(400, "malformed request line");
  }
  const absl::string_view method = line.substr(0, first);
  const absl::string_view target = line.substr(first + 1, last - first - 1);
  absl::string_view version = line.substr(last + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!IsToken(method) || target.find(' ') != target.npos ||
      !absl::ConsumePrefix(&version, "HTTP/") || version.size() != 3 ||
      !is_digit(version[0]) || version[1] != '.' || !is_digit(version[2])) {
    return Fail(400, "malformed request line");
  }
  // A higher minor version is served as 1.1 (RFC 9110 2.5).
  if (version[0] != '1') {
    return Fail(505, "only HTTP/1.1 and HTTP/1.0 are served");
  }
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    return Fail(501,
                absl::StrCat("method ", Shortened(method), " is not served"));
  }
  http_1_0_ = version[2] == '0';
  request_.method = std::string(method);
  return ParseTarget(target);
}

bool Parser::ParseTarget(absl::string_view target) {
  if (target == "*" && request_.method == "OPTIONS") {
    request_.target = "*";
    return true;
  }
  std::string origin(target);
  // Absolute form, as sent through a proxy.
  const size_t scheme = absl::StartsWithIgnoreCase(target, "http://")    ? 7
                        : absl::StartsWithIgnoreCase(target, "https://") ? 8
                                                                         : 0;
  if (scheme > 0) {
    target.remove_prefix(scheme);
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    authority_ = std::string(target.substr(0, end));
    if (authority_.empty() || authority_[0] == ':' || !IsHost(authority_)) {
      return Fail(400, "malformed host in the request target");
    }
    origin = std::string(target.substr(end));
    if (origin.empty() || origin[0] == '?') origin.insert(0, "/");
  }
  if (!IsOriginForm(origin)) {
    return Fail(400,
                "malformed request target: a path from / on, in which all but "
                "letters, digits and -._~!$&'()*+,;=:@/ is percent-encoded as "
                "UTF-8 (%C3%A9)");
  }
  request_.target = std::move(origin);
  return true;
}

bool Parser::ParseHeader(absl::string_view line) {
  const size_t colon = line.find(':');
  const absl::string_view name = line.substr(0, colon);
  if (colon == line.npos || !IsToken(name)) {
    return Fail(400, "malformed header line");
  }
  const absl::string_view value = StripOws(line.substr(colon + 1));
  if (!IsFieldValue(value)) {
    return Fail(400,
                absl::StrCat("malformed value of header ", Shortened(name)));
  }
  if (request_.headers.size() >= limits_.headers) {
    return Fail(431, absl::StrCat("more than ", limits_.headers, " headers"));
  }
  request_.headers.emplace_back(name, value);
  return true;
}

bool Parser::CheckSingle(absl::string_view name, size_t index) {
  for (size_t i = index + 1; i < request_.headers.size(); ++i) {
    if (absl::EqualsIgnoreCase(request_.headers[i].first, name)) {
      return Fail(400, absl::StrCat("header ", name, " stands twice"));
    }
  }
  return true;
}

bool Parser::CheckTransferEncoding(absl::string_view value) {
  if (http_1_0_) return Fail(400, "Transfer-Encoding in HTTP/1.0");
  if (absl::EqualsIgnoreCase(value, "chunked")) {
    chunked_ = true;
    return true;
  }
  const absl::string_view last =
      StripOws(value.substr(value.find_last_of(',') + 1));
  if (absl::EqualsIgnoreCase(last, "chunked") && last.size() != value.size()) {
    return Fail(501, "no Transfer-Encoding but chunked is served");
  }
  return Fail(400, "chunked must be the last Transfer-Encoding");
}

bool Parser::CheckHeaders() {
  bool has_length = false;
  bool has_host = false;
  bool close = false;
  bool keep_alive = false;
  for (size_t i = 0; i < request_.headers.size(); ++i) {
    auto& [name, value] = request_.headers[i];
    for (const std::string& single : single_headers_) {
      if (absl::EqualsIgnoreCase(name, single) && !CheckSingle(single, i)) {
        return false;
      }
    }
    if (absl::EqualsIgnoreCase(name, "Content-Length")) {
      has_length = true;
      if (!ParseUnsigned(value, 10, &declared_)) {
        return Fail(400, "malformed Content-Length");
      }
    } else if (absl::EqualsIgnoreCase(name, "Transfer-Encoding")) {
      if (!CheckTransferEncoding(value)) return false;
    } else if (absl::EqualsIgnoreCase(name, "Host")) {
      has_host = true;
      if (!IsHost(value)) return Fail(400, "malformed Host header");
      // RFC 9112 3.2.2: the target's is the one that counts.
      if (!authority_.empty()) value = authority_;
    } else if (absl::EqualsIgnoreCase(name, "Connection")) {
      close = close || ListHas(value, "close");
      keep_alive = keep_alive || ListHas(value, "keep-alive");
    } else if (absl::EqualsIgnoreCase(name, "Expect") && !http_1_0_) {
      if (!absl::EqualsIgnoreCase(value, "100-continue")) {
        return Fail(417, "no Expect but 100-continue is served");
      }
      expects_continue_ = true;
    }
  }
  request_.keep_alive = !close && (keep_alive || !http_1_0_);
  if (!has_host && !http_1_0_) return Fail(400, "no Host header");
  if (chunked_ && has_length) {
    return Fail(400, "Content-Length beside Transfer-Encoding");
  }
  if (declared_ > limits_.body_bytes) {
    return Fail(413, absl::StrCat("the body of ", declared_,
                                  " bytes exceeds the limit of ",
                                  limits_.body_bytes, " bytes"));
  }
  missing_ = declared_;
  return true;
}

Parser::Fed Parser::FeedBody(absl::string_view data) {
  if (chunked_ && chunk_ != Chunk::kData) return {FeedLine(data), {}};
  const size_t size = std::min<uint64_t>(missing_, data.size());
  missing_ -= size;
  if (chunked_) {
    received_ += size;
    if (missing_ == 0) chunk_ = Chunk::kDataEnd;
  } else if (missing_ == 0) {
    state_ = State::kComplete;
  }
  return {size, data.substr(0, size)};
}

size_t Parser::FeedLine(absl::string_view data) {
  const size_t end = data.find('\n');
  const size_t size = end == data.npos ? data.size() : end + 1;
  framing_bytes_ += size;
  if (line_.size() + size > kMaxLine ||
      framing_bytes_ > kMaxFraming + kMaxFramingPerByte * received_) {
    Fail(400, "the chunks of the body have too much around them");
    return size;
  }
  if (line_.empty() && end != data.npos) {
    ChunkLine(data.substr(0, size));  // most come whole
    return size;
  }
  line_.append(data.data(), size);
  if (end != data.npos) {
    ChunkLine(line_);
    line_.clear();
  }
  return size;
}

bool Parser::ChunkLine(absl::string_view line) {
  if (!absl::ConsumeSuffix(&line, "\r\n")) {
    return Fail(400, "malformed end of line in a chunked body");
  }
  switch (chunk_) {
    case Chunk::kSize:
      return ChunkSize(line);
    case Chunk::kDataEnd:
      chunk_ = Chunk::kSize;
      return line.empty() || Fail(400, "a chunk is longer than its size");
    case Chunk::kTrailer:
      return Trailer(line);
    case Chunk::kData:
      break;
  }
  return true;
}

bool Parser::ChunkSize(absl::string_view line) {
  const size_t end = std::min(line.find_first_of("; \t"), line.size());
  if (!ParseUnsigned(line.substr(0, end), 16, &missing_)) {
    return Fail(400, "malformed size of a chunk");
  }
  if (!IsChunkExtensions(line.substr(end))) {
    return Fail(400, "malformed extension of a chunk");
  }
  if (missing_ > limits_.body_bytes - received_) {
    return Fail(413, absl::StrCat("the body exceeds the limit of ",
                                  limits_.body_bytes, " bytes"));
  }
  chunk_ = missing_ > 0 ? Chunk::kData : Chunk::kTrailer;
  return true;
}

// Read, checked, and dropped: RFC 9110 6.5.1 keeps trailers out of the headers.
bool Parser::Trailer(absl::string_view line) {
  if (line.empty()) {
    state_ = State::kComplete;
    return true;
  }
  const size_t colon = line.find(':');
  const absl::string_view name = line.substr(0, colon);
  if (colon == line.npos || !IsToken(name) ||
      !IsFieldValue(StripOws(line.substr(colon + 1)))) {
    return Fail(400, "malformed trailer");
  }
  for (const std::string& single : single_headers_) {
    if (absl::EqualsIgnoreCase(name, single)) {
      return Fail(400, absl::StrCat("header ", single, " in the trailer"));
    }
  }
  return true;
}

Request Parser::Take() {
  Request request = std::exchange(request_, Request());
  state_ = State::kHead;
  head_.clear();
  scanned_ = line_start_ = 0;
  blank_lines_ = 0;
  authority_.clear();
  http_1_0_ = expects_continue_ = chunked_ = false;
  declared_ = missing_ = received_ = 0;
  chunk_ = Chunk::kSize;
  line_.clear();
  framing_bytes_ = 0;
  return request;
}

}  // namespace http
