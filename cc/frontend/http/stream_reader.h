// Reads a stream as a server does, without sockets: for tests of how it is cut
// into requests.
#ifndef CC_FRONTEND_HTTP_STREAM_READER_H_
#define CC_FRONTEND_HTTP_STREAM_READER_H_

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "cc/base/byte_budget.h"
#include "cc/frontend/http/block.h"
#include "cc/frontend/http/http.h"
#include "cc/frontend/http/input.h"
#include "cc/frontend/http/parser.h"

namespace http {

class StreamReader {
 public:
  static constexpr Limits kLimits = {/*head_bytes=*/4096, /*headers=*/32,
                                     /*body_bytes=*/1 << 20};

  void Receive(absl::string_view piece) {
    while (!piece.empty() && !failed()) {
      const absl::Span<char> room = input_.Room(
          parser_.state() == Parser::State::kBody ? parser_.missing()
                                                  : std::nullopt);
      const size_t size = std::min(room.size(), piece.size());
      std::copy_n(piece.data(), size, room.data());
      input_.Received(size);
      piece.remove_prefix(size);
      Process();
    }
  }

  const std::vector<Request>& requests() const { return requests_; }
  // Why it reads no further.
  std::optional<Error> error() const {
    return failed() ? std::optional(parser_.error()) : std::nullopt;
  }
  // "POST /x [body]" for each request, and at the end "400" or another error,
  // "..." for a request that is not complete, or nothing.
  std::string Result() const {
    std::string result;
    for (const Request& request : requests_) {
      absl::StrAppend(&result, request.method, " ", request.target, " [",
                      std::string(request.body), "] ");
    }
    if (failed()) return absl::StrCat(result, parser_.error().status);
    return absl::StrCat(result, parser_.started() ? "..." : "");
  }

 private:
  bool failed() const { return parser_.state() == Parser::State::kError; }
  void Process() {
    while (!input_.unread().empty() && !failed()) {
      const Parser::Fed fed = parser_.Feed(input_.unread());
      if (fed.taken == 0 && !failed()) std::abort();  // it would go on for ever
      input_.Read(fed.taken, fed.body);
      if (parser_.state() != Parser::State::kComplete) continue;
      requests_.push_back(parser_.Take());
      requests_.back().body = input_.TakeBody();
    }
    input_.Trim();
  }

  base::ByteBudget budget_{64 << 20};
  Input input_{BlockPool::Make(&budget_)};
  Parser parser_{kLimits, {"Inference-Header-Content-Length"}};
  std::vector<Request> requests_;
};

}  // namespace http

#endif  // CC_FRONTEND_HTTP_STREAM_READER_H_
