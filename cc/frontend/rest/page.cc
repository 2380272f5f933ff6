#include "cc/frontend/rest/page.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rest {
namespace {

// kPage and kOcrPage, and the hashes of their styles and scripts, kPageHashes
// and kOcrPageHashes, for the policy.
#include "cc/frontend/rest/ocr_page.inc"
#include "cc/frontend/rest/page.inc"

template <size_t size>
http::Response Html(const unsigned char (&page)[size], const char* hashes) {
  http::Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body = absl::MakeCordFromExternal(
      absl::string_view(reinterpret_cast<const char*>(page), size), [] {});
  response.headers = {
      {"Content-Security-Policy",
       std::string(
           "default-src 'none'; connect-src 'self'; img-src data: blob:; ") +
           hashes +
           "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-cache"}};
  return response;
}

}  // namespace

http::Response Page() { return Html(kPage, kPageHashes); }

http::Response OcrPage() { return Html(kOcrPage, kOcrPageHashes); }

}  // namespace rest
