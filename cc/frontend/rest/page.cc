#include "cc/frontend/rest/page.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rest {
namespace {

// kPage, and kHashes, of its style and script, for the policy.
#include "cc/frontend/rest/page.inc"

}  // namespace

http::Response Page() {
  http::Response response;
  response.content_type = "text/html; charset=utf-8";
  const absl::string_view page(reinterpret_cast<const char*>(kPage),
                               sizeof(kPage));
  response.body = absl::MakeCordFromExternal(page, [] {});
  response.headers = {
      {"Content-Security-Policy",
       std::string("default-src 'none'; connect-src 'self'; img-src data:; ") +
           kHashes +
           "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-cache"}};
  return response;
}

}  // namespace rest
