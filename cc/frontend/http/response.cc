#include "cc/frontend/http/response.h"

#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace http {
namespace {

constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                              "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr",
                                                 "May", "Jun", "Jul", "Aug",
                                                 "Sep", "Oct", "Nov", "Dec"};

// What a handler takes over from a client must not end the line.
void AppendValue(std::string* out, absl::string_view value) {
  const size_t begin = out->size();
  out->append(value.data(), value.size());
  for (size_t i = begin; i < out->size(); ++i) {
    char& c = (*out)[i];
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  }
}

}  // namespace

std::string FormatDate(time_t time) {
  tm utc = {};
  gmtime_r(&time, &utc);
  return absl::StrFormat("%s, %02d %s %04d %02d:%02d:%02d GMT",
                         kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                         kMonths[static_cast<size_t>(utc.tm_mon)],
                         utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                         utc.tm_sec);
}

absl::string_view Date::Now() {
  const time_t now = time(nullptr);
  if (now != time_) {
    text_ = FormatDate(now);
    time_ = now;
  }
  return text_;
}

bool HasBody(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string FormatHead(const Response& response, bool keep_alive,
                       absl::string_view date) {
  std::string out;
  out.reserve(256);
  absl::StrAppend(&out, "HTTP/1.1 ", response.status, " ",
                  Reason(response.status), "\r\n");
  if (HasBody(response.status)) {
    if (!response.content_type.empty()) {
      out.append("Content-Type: ");
      AppendValue(&out, response.content_type);
      out.append("\r\n");
    }
    absl::StrAppend(&out, "Content-Length: ", response.body.size(), "\r\n");
  }
  absl::StrAppend(&out, "Connection: ", keep_alive ? "keep-alive" : "close",
                  "\r\nDate: ", date, "\r\n");
  for (const auto& [name, value] : response.headers) {
    absl::StrAppend(&out, name, ": ");
    AppendValue(&out, value);
    out.append("\r\n");
  }
  out.append("\r\n");
  return out;
}

}  // namespace http
