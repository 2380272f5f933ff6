// A stream of bytes as HTTP/1.1.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/text.h"
#include "cc/frontend/http/stream_reader.h"

namespace http {
namespace {

// All that the stream says, in a form that differs where it does.
std::string Told(const StreamReader& reader) {
  std::string told = reader.Result();
  for (const Request& request : reader.requests()) {
    for (const auto& [name, value] : request.headers) {
      absl::StrAppend(&told, "\n", name, ": ", value);
    }
    absl::StrAppend(&told, "\n", request.keep_alive ? "goes on" : "ends");
  }
  if (reader.error()) absl::StrAppend(&told, "\n", reader.error()->message);
  return told;
}

// The request again, as plainly as it can be said.
std::string Write(const Request& request) {
  std::string text =
      absl::StrCat(request.method, " ", request.target, " HTTP/1.1\r\n");
  bool host = false;
  for (const auto& [name, value] : request.headers) {
    if (absl::EqualsIgnoreCase(name, "Content-Length") ||
        absl::EqualsIgnoreCase(name, "Transfer-Encoding") ||
        absl::EqualsIgnoreCase(name, "Expect")) {
      continue;
    }
    host = host || absl::EqualsIgnoreCase(name, "Host");
    absl::StrAppend(&text, name, ": ", value, "\r\n");
  }
  if (!host) absl::StrAppend(&text, "Host: h\r\n");  // HTTP/1.0
  return absl::StrCat(text, "Content-Length: ", request.body.size(), "\r\n\r\n",
                      std::string(request.body));
}

void CheckRoundTrip(const Request& request) {
  const std::string text = Write(request);
  // It may have grown beyond the bound of a head.
  if (text.size() - request.body.size() >= StreamReader::kLimits.head_bytes ||
      request.headers.size() + 2 > StreamReader::kLimits.headers) {
    return;
  }
  StreamReader reader;
  reader.Receive(text);
  fuzz::Check(reader.requests().size() == 1 && !reader.error(),
              "a request that was read is one", text);
  fuzz::Check(Write(reader.requests()[0]) == text, "it is read as it is", text);
}

}  // namespace
}  // namespace http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text = fuzz::Text(data, size);
  http::StreamReader whole;
  whole.Receive(text);
  const std::string told = http::Told(whole);
  for (const size_t piece : {1, 0}) {
    http::StreamReader cut;
    for (const auto part : fuzz::Pieces(text, piece)) cut.Receive(part);
    fuzz::Check(http::Told(cut) == told, "pieces change nothing",
                absl::StrCat(told, "\nbut\n", http::Told(cut)));
  }
  for (const http::Request& request : whole.requests()) {
    http::CheckRoundTrip(request);
  }
  if (const auto error = whole.error()) {
    fuzz::Check(base::IsUtf8(error->message) && !error->message.empty(),
                "errors are text", error->message);
    fuzz::Check(error->status >= 400 && error->status < 600,
                "errors have a status", absl::StrCat(error->status));
  }
  return 0;
}
