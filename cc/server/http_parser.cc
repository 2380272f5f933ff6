#include "cc/server/http_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace server {
namespace {

constexpr absl::string_view kTokenPunctuation = "!#$%&'*+-.^_`|~";

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kTokenPunctuation.find(c) != kTokenPunctuation.npos;
  });
}

bool IsVisible(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 127;
  });
}

bool IsFieldValue(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 127);
  });
}

bool HasToken(absl::string_view list, absl::string_view token) {
  for (absl::string_view item : absl::StrSplit(list, ',')) {
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(item), token)) {
      return true;
    }
  }
  return false;
}

// Digits only: no sign, no space.
template <typename T>
bool ParseUnsigned(absl::string_view text, int base, T* value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value, base);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

absl::string_view HttpReason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

bool HttpParser::Fail(int status, std::string message) {
  state_ = State::kError;
  error_ = {status, std::move(message)};
  return false;
}

size_t HttpParser::Feed(absl::string_view data) {
  size_t taken = 0;
  if (state_ == State::kHead) taken = FeedHead(data);
  data.remove_prefix(taken);
  if (state_ != State::kBody || data.empty()) return taken;
  if (chunked_) return taken + FeedChunked(data);
  const size_t n = std::min<uint64_t>(missing_, data.size());
  request_.body.append(data.data(), n);
  missing_ -= n;
  if (missing_ == 0) state_ = State::kComplete;
  return taken + n;
}

size_t HttpParser::FeedHead(absl::string_view data) {
  constexpr absl::string_view kEnd = "\r\n\r\n";
  size_t skipped = 0;
  // An empty line before a request is left over from a careless client.
  if (head_.empty()) {
    while (skipped < data.size() &&
           (data[skipped] == '\r' || data[skipped] == '\n')) {
      ++skipped;
    }
    data.remove_prefix(skipped);
  }
  const size_t before = head_.size();
  const size_t room = limits_.head_bytes - before;
  head_.append(data.data(), std::min(room, data.size()));
  const size_t end = head_.find(kEnd.data(), before < 3 ? 0 : before - 3);
  if (end == head_.npos) {
    if (head_.size() >= limits_.head_bytes) {
      Fail(431, absl::StrCat("request line and headers exceed ",
                             limits_.head_bytes, " bytes"));
    }
    return skipped + std::min(room, data.size());
  }
  head_.resize(end + kEnd.size());
  const size_t taken = skipped + head_.size() - before;
  ParseHead();
  return taken;
}

void HttpParser::ParseHead() {
  absl::string_view rest(head_.data(), head_.size() - 2);
  bool first = true;
  while (!rest.empty()) {
    const size_t end = rest.find("\r\n");
    const absl::string_view line = rest.substr(0, end);
    if (!(first ? ParseRequestLine(line) : ParseHeader(line))) return;
    first = false;
    rest.remove_prefix(end + 2);
  }
  if (!CheckHeaders()) return;
  state_ = chunked_ || missing_ > 0 ? State::kBody : State::kComplete;
}

bool HttpParser::ParseRequestLine(absl::string_view line) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
  if (parts.size() != 3 || !IsToken(parts[0]) || !IsVisible(parts[1]) ||
      !absl::StartsWith(parts[2], "HTTP/")) {
    return Fail(400, "malformed request line");
  }
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0") {
    return Fail(505, "only HTTP/1.1 and HTTP/1.0 are served");
  }
  http_1_0_ = parts[2] == "HTTP/1.0";
  request_.keep_alive = !http_1_0_;
  request_.method = std::string(parts[0]);
  absl::string_view target = parts[1];
  // Absolute form, as sent through a proxy.
  if (absl::ConsumePrefix(&target, "http://")) {
    target.remove_prefix(std::min(target.find('/'), target.size()));
    if (target.empty()) target = "/";
  }
  if (target[0] != '/' && target != "*") {
    return Fail(400, "malformed request target");
  }
  request_.target = std::string(target);
  return true;
}

bool HttpParser::ParseHeader(absl::string_view line) {
  const size_t colon = line.find(':');
  const absl::string_view name = line.substr(0, colon);
  if (colon == line.npos || !IsToken(name)) {
    return Fail(400, "malformed header line");
  }
  const absl::string_view value =
      absl::StripAsciiWhitespace(line.substr(colon + 1));
  if (!IsFieldValue(value)) {
    return Fail(400, absl::StrCat("malformed value of header ", name));
  }
  request_.headers.emplace_back(name, value);
  return true;
}

bool HttpParser::CheckHeaders() {
  const std::string* length = nullptr;
  int hosts = 0;
  for (const auto& [name, value] : request_.headers) {
    if (absl::EqualsIgnoreCase(name, "Content-Length")) {
      if (length != nullptr) return Fail(400, "Content-Length stands twice");
      length = &value;
      if (!ParseUnsigned(value, 10, &missing_)) {
        return Fail(400, "malformed Content-Length");
      }
    } else if (absl::EqualsIgnoreCase(name, "Transfer-Encoding")) {
      if (chunked_ || http_1_0_) return Fail(400, "bad Transfer-Encoding");
      if (!absl::EqualsIgnoreCase(value, "chunked")) {
        return Fail(501, "no Transfer-Encoding but chunked is served");
      }
      chunked_ = true;
    } else if (absl::EqualsIgnoreCase(name, "Host")) {
      ++hosts;
    } else if (absl::EqualsIgnoreCase(name, "Connection")) {
      if (HasToken(value, "close")) request_.keep_alive = false;
      if (http_1_0_ && HasToken(value, "keep-alive")) {
        request_.keep_alive = true;
      }
    } else if (absl::EqualsIgnoreCase(name, "Expect")) {
      if (!absl::EqualsIgnoreCase(value, "100-continue")) {
        return Fail(417, "no Expect but 100-continue is served");
      }
      expects_continue_ = true;
    }
  }
  if (hosts > 1 || (hosts == 0 && !http_1_0_)) {
    return Fail(400, "a request has one Host header");
  }
  if (chunked_ && length != nullptr) {
    return Fail(400, "Content-Length beside Transfer-Encoding");
  }
  if (missing_ > limits_.body_bytes) {
    return Fail(413, absl::StrCat("the body of ", missing_,
                                  " bytes exceeds the limit of ",
                                  limits_.body_bytes, " bytes"));
  }
  return true;
}

size_t HttpParser::FeedChunked(absl::string_view data) {
  const size_t size = data.size();
  while (state_ == State::kBody && !data.empty()) {
    if (chunk_ == Chunk::kData) {
      const size_t n = std::min<uint64_t>(missing_, data.size());
      request_.body.append(data.data(), n);
      data.remove_prefix(n);
      missing_ -= n;
      if (missing_ == 0) chunk_ = Chunk::kDataEnd;
      continue;
    }
    // Lines between the chunks, byte by byte: they are short.
    const char c = data[0];
    data.remove_prefix(1);
    // Chunks of one byte each triple the size of a body; more is abuse.
    if (++framing_bytes_ > limits_.head_bytes + 8 * limits_.body_bytes ||
        line_.size() >= 1024) {
      Fail(400, "the chunks of the body have too much around them");
    } else if (c == '\n') {
      if (line_.empty() || line_.back() != '\r') {
        Fail(400, "malformed end of line in a chunked body");
        break;
      }
      line_.pop_back();
      if (!ChunkLine()) break;
      line_.clear();
    } else {
      line_.push_back(c);
    }
  }
  return size - data.size();
}

bool HttpParser::ChunkLine() {
  switch (chunk_) {
    case Chunk::kSize: {
      // Extensions after the size mean nothing to anyone.
      const absl::string_view text = absl::StripTrailingAsciiWhitespace(
          absl::string_view(line_).substr(0, line_.find(';')));
      if (!ParseUnsigned(text, 16, &missing_)) {
        return Fail(400, "malformed size of a chunk");
      }
      if (missing_ > limits_.body_bytes - request_.body.size()) {
        return Fail(413, absl::StrCat("the body exceeds the limit of ",
                                      limits_.body_bytes, " bytes"));
      }
      chunk_ = missing_ > 0 ? Chunk::kData : Chunk::kTrailer;
      return true;
    }
    case Chunk::kDataEnd:
      chunk_ = Chunk::kSize;
      return line_.empty() || Fail(400, "a chunk is longer than its size");
    case Chunk::kTrailer:
      if (line_.empty()) state_ = State::kComplete;
      return true;
    case Chunk::kData:
      break;
  }
  return true;
}

HttpRequest HttpParser::Take() {
  HttpRequest request = std::move(request_);
  request_ = HttpRequest();
  state_ = State::kHead;
  head_.clear();
  http_1_0_ = expects_continue_ = chunked_ = false;
  missing_ = 0;
  chunk_ = Chunk::kSize;
  line_.clear();
  framing_bytes_ = 0;
  return request;
}

}  // namespace server
