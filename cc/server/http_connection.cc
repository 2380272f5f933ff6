#include "cc/server/http_connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace server {

HttpConnection::HttpConnection(event_base* base, int fd, uint64_t id,
                               const HttpParser::Limits& limits,
                               const HttpTimeouts& timeouts, Owner* owner)
    : id_(id),
      timeouts_(timeouts),
      owner_(owner),
      buffer_(bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE)),
      timer_(event_new(
          base, -1, 0,
          [](evutil_socket_t, short, void* self) {
            static_cast<HttpConnection*>(self)->OnTimer();
          },
          this)),
      parser_(limits) {
  bufferevent_setcb(
      buffer_,
      [](bufferevent*, void* self) {
        static_cast<HttpConnection*>(self)->OnRead();
      },
      [](bufferevent*, void* self) {
        static_cast<HttpConnection*>(self)->OnWritten();
      },
      [](bufferevent*, short events, void* self) {
        static_cast<HttpConnection*>(self)->OnEvent(events);
      },
      this);
  bufferevent_enable(buffer_, EV_READ | EV_WRITE);
  Arm(timeouts_.head);
}

HttpConnection::~HttpConnection() {
  event_free(timer_);
  bufferevent_free(buffer_);
}

void HttpConnection::Arm(std::chrono::milliseconds timeout) {
  const timeval time = {
      static_cast<time_t>(timeout.count() / 1000),
      static_cast<suseconds_t>(timeout.count() % 1000 * 1000)};
  event_add(timer_, &time);
}

void HttpConnection::Watch() {
  seen_moved_ = Moved();
  Arm(timeouts_.stall);
}

int64_t HttpConnection::Moved() const {
  if (state_ != State::kSending) return bytes_;
  // The kernel takes megabytes at once from us: what counts is what the
  // client's side has taken from the kernel.
  int queued = 0;
  ioctl(bufferevent_getfd(buffer_), SIOCOUTQ, &queued);
  const size_t unsent = evbuffer_get_length(bufferevent_get_output(buffer_));
  return bytes_ - static_cast<int64_t>(unsent) - queued;
}

bool HttpConnection::Moves() {
  const int64_t moved = Moved();
  const int64_t wanted =
      timeouts_.min_bytes_per_second * timeouts_.stall.count() / 1000;
  if (moved - seen_moved_ < std::max<int64_t>(wanted, 1)) return false;
  seen_moved_ = moved;
  return true;
}

HttpError HttpConnection::TooSlow() const {
  if (parser_.state() == HttpParser::State::kHead) {
    return {408, absl::StrCat("request line and headers did not arrive within ",
                              timeouts_.head.count(), " ms")};
  }
  return {408,
          absl::StrCat("the body arrived at less than ",
                       timeouts_.min_bytes_per_second, " bytes per second for ",
                       timeouts_.stall.count(), " ms")};
}

void HttpConnection::OnRead() {
  evbuffer* const input = bufferevent_get_input(buffer_);
  if (state_ == State::kLingering) {
    evbuffer_drain(input, evbuffer_get_length(input));
    return;
  }
  while (state_ == State::kReading) {
    const size_t size = evbuffer_get_contiguous_space(input);
    if (size == 0) return;
    const bool started = parser_.started();
    const bool in_body = parser_.state() == HttpParser::State::kBody;
    const size_t taken = parser_.Feed(absl::string_view(
        reinterpret_cast<const char*>(evbuffer_pullup(input, size)), size));
    evbuffer_drain(input, taken);
    if (parser_.state() == HttpParser::State::kBody) {
      if (!in_body) {
        bytes_ = 0;
        Watch();
      }
      bytes_ += static_cast<int64_t>(taken);
    } else if (!started && parser_.started()) {
      Arm(timeouts_.head);
    }
    if (parser_.wants_continue()) {
      parser_.Continued();
      constexpr absl::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      bufferevent_write(buffer_, kContinue.data(), kContinue.size());
    }
    if (parser_.state() == HttpParser::State::kError) {
      return Refuse(parser_.error());
    }
    if (parser_.state() == HttpParser::State::kComplete) {
      state_ = State::kHandling;
      event_del(timer_);
      bufferevent_disable(buffer_, EV_READ);
      HttpRequest request = parser_.Take();
      keep_alive_ = request.keep_alive;
      head_only_ = request.method == "HEAD";
      owner_->OnRequest(id_, std::move(request));
    }
  }
}

void HttpConnection::Respond(const HttpResponse& response) {
  if (state_ != State::kHandling) return;
  if (owner_->draining()) keep_alive_ = false;
  Send(response);
}

void HttpConnection::Refuse(const HttpError& error) {
  keep_alive_ = false;
  linger_ = true;
  bufferevent_disable(buffer_, EV_READ);
  Send(owner_->Refuse(error));
}

void HttpConnection::Send(const HttpResponse& response) {
  state_ = State::kSending;
  std::string out = absl::StrCat(
      "HTTP/1.1 ", response.status, " ", HttpReason(response.status),
      "\r\nContent-Type: ", response.content_type,
      "\r\nContent-Length: ", response.body.size(),
      "\r\nConnection: ", keep_alive_ ? "keep-alive" : "close", "\r\n");
  for (const auto& [name, value] : response.headers) {
    absl::StrAppend(&out, name, ": ", value, "\r\n");
  }
  out.append("\r\n");
  evbuffer* const output = bufferevent_get_output(buffer_);
  evbuffer_add(output, out.data(), out.size());
  if (!head_only_) {
    evbuffer_add(output, response.body.data(), response.body.size());
  }
  bytes_ = static_cast<int64_t>(evbuffer_get_length(output));
  Watch();
}

void HttpConnection::OnWritten() {
  if (state_ != State::kSending) return;  // it was a "100 Continue"
  if (linger_) {
    state_ = State::kLingering;
    shutdown(bufferevent_getfd(buffer_), SHUT_WR);
    bufferevent_enable(buffer_, EV_READ);
    Arm(timeouts_.linger);
    OnRead();
    return owner_->OnAnswered(id_);
  }
  if (!keep_alive_) {
    owner_->OnAnswered(id_);
    return owner_->OnClose(id_);
  }
  state_ = State::kReading;
  Arm(timeouts_.idle);
  bufferevent_enable(buffer_, EV_READ);
  owner_->OnAnswered(id_);
  // What has come meanwhile lies in the buffer and makes no event.
  OnRead();
}

void HttpConnection::OnEvent(short events) {
  if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) owner_->OnClose(id_);
}

void HttpConnection::OnTimer() {
  const bool in_request = state_ == State::kReading && parser_.started();
  const bool in_body =
      in_request && parser_.state() == HttpParser::State::kBody;
  if ((in_body || state_ == State::kSending) && Moves()) {
    return Arm(timeouts_.stall);
  }
  if (in_request) return Refuse(TooSlow());
  // Nothing was asked, or part of an answer is out: there is nothing to say.
  owner_->OnClose(id_);
}

}  // namespace server
