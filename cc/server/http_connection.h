// One client's connection: reads requests, one at a time, and writes answers.
#ifndef CC_SERVER_HTTP_CONNECTION_H_
#define CC_SERVER_HTTP_CONNECTION_H_

#include <chrono>
#include <cstdint>

#include "cc/server/http.h"
#include "cc/server/http_parser.h"

struct bufferevent;
struct event;
struct event_base;

namespace server {

struct HttpTimeouts {
  std::chrono::milliseconds idle{60'000};  // between requests
  // Of a new connection to the first byte, and of every request from there to
  // the end of its headers.
  std::chrono::milliseconds head{10'000};
  // A body or an answer has no time of its own, which would be too short for
  // some size or too long for some client. In each span of `stall` it must
  // move as much as `min_bytes_per_second` makes of it.
  std::chrono::milliseconds stall{10'000};
  int64_t min_bytes_per_second = 16 << 10;
  // After an answer to what was not read to its end: closing at once would
  // make the kernel drop the answer before the client has read it.
  std::chrono::milliseconds linger{2'000};
};

// Lives on the event loop's thread. Answers are due in order, so the next
// request is not read before the last one is answered.
class HttpConnection {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnRequest(uint64_t connection, HttpRequest request) = 0;
    virtual HttpResponse Refuse(const HttpError& error) = 0;
    // An answer is out; the connection may be idle now.
    virtual void OnAnswered(uint64_t connection) = 0;
    // To be destroyed, which is all that may be done with it.
    virtual void OnClose(uint64_t connection) = 0;
    // Whether connections are to be closed after the answer.
    virtual bool draining() const = 0;
  };

  // Takes the socket.
  HttpConnection(event_base* base, int fd, uint64_t id,
                 const HttpParser::Limits& limits, const HttpTimeouts& timeouts,
                 Owner* owner);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // The answer to the request that OnRequest has given.
  void Respond(const HttpResponse& response);
  // Answers an error, whatever has been read, and closes.
  void Refuse(const HttpError& error);

  // Whether a request is being answered.
  bool busy() const {
    return state_ == State::kHandling || state_ == State::kSending;
  }

 private:
  enum class State { kReading, kHandling, kSending, kLingering };

  void OnRead();
  void OnWritten();
  void OnEvent(short events);
  void OnTimer();
  void Send(const HttpResponse& response);
  void Arm(std::chrono::milliseconds timeout);
  // From now on a body or an answer has to move.
  void Watch();
  int64_t Moved() const;
  // Whether it has moved enough since it was looked at last.
  bool Moves();
  HttpError TooSlow() const;

  const uint64_t id_;
  const HttpTimeouts timeouts_;
  Owner* const owner_;
  bufferevent* const buffer_;
  event* const timer_;
  HttpParser parser_;
  State state_ = State::kReading;
  bool head_only_ = false;  // the answer goes without its body
  bool keep_alive_ = true;
  bool linger_ = false;
  int64_t bytes_ = 0;       // of the body that have come, or of the answer
  int64_t seen_moved_ = 0;  // Moved() when it was looked at last
};

}  // namespace server

#endif  // CC_SERVER_HTTP_CONNECTION_H_
