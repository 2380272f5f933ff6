#include "cc/frontend/http/connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/frontend/http/pending_reply.h"

namespace http {
namespace {

// What one client may bring in one turn of the loop, in system calls: more is
// unfair to the others.
constexpr int kReadsAtOnce = 4;
constexpr absl::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Connection::Connection(Shared* shared, int fd)
    : shared_(shared),
      fd_(fd),
      deadline_(shared->loop, [this] { Guarded([this] { OnDeadline(); }); }),
      input_(shared->pool),
      parser_(shared->limits, shared->single_headers),
      output_(&shared->counts.bytes_out) {}

Connection::~Connection() {
  watch_.reset();
  if (fd_ >= 0) close(fd_);
}

template <typename F>
void Connection::Guarded(F f) {
  const std::shared_ptr<Connection> keep = shared_from_this();
  try {
    f();
  } catch (...) {
    ++shared_->counts.failed;
    Close();
  }
}

void Connection::Start() {
  Guarded([this] {
    watch_.emplace(shared_->loop, fd_, [this](bool readable, bool writable) {
      OnReady(readable, writable);
    });
    deadline_.Set(shared_->timeouts.head);
    Want();
  });
}

void Connection::TurnAway(std::string why) {
  Guarded([&] { RefuseNow({503, std::move(why)}); });
}

void Connection::Drain() {
  Guarded([this] {
    if (state_ != State::kReading || parser_.started()) return;
    OnReadable();  // what has come is answered
    if (state_ == State::kReading && !parser_.started()) Linger();
  });
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const std::shared_ptr<Connection> keep = shared_from_this();
  Abandon();
  shared_->closed(this);
  CallGone();
}

void Connection::Abandon() {
  state_ = State::kClosed;
  watch_.reset();
  deadline_.Clear();
  close(std::exchange(fd_, -1));
  input_.Clear();
  output_.Clear();
}

// ---- Reading

void Connection::OnReady(bool readable, bool writable) {
  Guarded([&] {
    if (writable && !output_.empty()) OnSent(output_.Flush(fd_));
    if (readable) OnReadable();
  });
}

void Connection::OnReadable() {
  if (state_ == State::kClosed || ended_) return;
  if (state_ == State::kLingering) return DiscardInput();
  if (state_ != State::kReading) {
    const absl::Span<char> room = input_.RoomAhead();
    if (!room.empty()) {
      Receive(room);
    } else {
      read_ahead_ = false;
      Want();
    }
    return;
  }
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const bool in_body = parser_.state() == Parser::State::kBody;
    const absl::Span<char> room =
        input_.Room(in_body ? parser_.missing() : std::nullopt);
    if (room.empty()) return OnNoRoom();
    const size_t received = Receive(room);
    if (received == 0) return;
    Process();
    if (state_ != State::kReading || received < room.size()) return;
  }
}

size_t Connection::Receive(absl::Span<char> room) {
  const ssize_t n = recv(fd_, room.data(), room.size(), 0);
  if (n > 0) {
    input_.Received(static_cast<size_t>(n));
    shared_->counts.bytes_in += static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }
  input_.Trim();
  if (n == 0) {
    OnEnd(false);
  } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
    OnEnd(true);
  }
  return 0;
}

// A client that has closed looks like one that has only finished sending.
// Whoever waits for it is told that it is gone; an answer is sent nonetheless.
void Connection::OnEnd(bool reset) {
  if (reset || state_ == State::kReading || state_ == State::kLingering) {
    return Close();
  }
  ended_ = true;
  Want();
  if (state_ == State::kHandling) CallGone();
}

ssize_t Connection::Discard() {
  return recv(fd_, shared_->scratch.data(), shared_->scratch.size(), 0);
}

// What is readable may also be the end.
void Connection::OnNoRoom() {
  const ssize_t n = Discard();
  if (n > 0) {
    RefuseNow({503, "the server has no memory for a further request now"});
  } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
    OnEnd(n < 0);
  }
}

void Connection::DiscardInput() {
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const ssize_t n = Discard();
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return Close();
    if (static_cast<size_t>(n) < shared_->scratch.size()) return;
  }
}

// ---- Requests

void Connection::Process() {
  if (processing_) return;
  processing_ = true;
  ProcessInput();
  processing_ = false;
}

void Connection::ProcessInput() {
  while (state_ == State::kReading && !input_.unread().empty()) {
    const bool in_head = parser_.state() == Parser::State::kHead;
    const Parser::Fed fed = parser_.Feed(input_.unread());
    input_.Read(fed.taken, fed.body);
    bytes_ += static_cast<int64_t>(fed.body.size());
    if (parser_.state() == Parser::State::kError) {
      return RefuseNow(parser_.error());
    }
    if (in_head && parser_.state() != Parser::State::kHead) OnHead();
    if (parser_.state() == Parser::State::kComplete) OnComplete();
  }
  if (state_ != State::kClosed) AwaitMore();
}

void Connection::OnHead() {
  const Request& head = parser_.head();
  head_only_ = head.method == "HEAD";
  keep_alive_ = head.keep_alive;
  bytes_ = 0;
  std::optional<Response> refusal = shared_->handler->CheckHead(
      head, parser_.chunked() ? 0 : parser_.declared());
  if (refusal.has_value()) return Reject(*std::move(refusal));
  // A body that is on its way already waits for nothing.
  if (parser_.expects_continue() && input_.unread().empty() &&
      parser_.state() == Parser::State::kBody) {
    OnSent(output_.Write(fd_, kContinue, absl::Cord()));
  }
}

void Connection::Reject(Response response) {
  ++shared_->counts.refused;
  // A body that has come is skipped; one that has not is not waited for.
  const std::optional<uint64_t> missing = parser_.missing();
  if (missing.has_value() && *missing <= input_.unread().size()) {
    input_.Read(*missing, {});
    parser_.Take();
  } else {
    keep_alive_ = false;
  }
  SendAnswer(std::move(response));
}

void Connection::OnComplete() {
  state_ = State::kHandling;
  deadline_.Clear();
  head_timed_ = body_timed_ = false;
  Request request = parser_.Take();
  request.body = input_.TakeBody();
  ++shared_->counts.requests;
  shared_->handler->Handle(
      std::move(request),
      std::make_shared<PendingReply>(shared_from_this(), ++request_));
}

void Connection::AwaitMore() {
  if (state_ == State::kReading) {
    if (ended_) return Close();
    if (parser_.state() == Parser::State::kBody) {
      if (!std::exchange(body_timed_, true)) WatchRate();
    } else if (parser_.started()) {
      if (!std::exchange(head_timed_, true))
        deadline_.Set(shared_->timeouts.head);
    } else if (shared_->draining) {
      return Linger();
    }
  }
  input_.Trim();
}

// ---- Answers

void Connection::Respond(uint64_t request, Response response) {
  Guarded([&] {
    if (state_ != State::kHandling || request != request_) return;
    const std::function<void()> forgotten = std::exchange(gone_, nullptr);
    SendAnswer(std::move(response));
  });
}

void Connection::OnDropped(uint64_t request) {
  Guarded([&] {
    if (state_ != State::kHandling || request != request_) return;
    if (ended_) return Close();
    const std::function<void()> forgotten = std::exchange(gone_, nullptr);
    SendAnswer(shared_->handler->Refuse({500, "the request was dropped"}));
  });
}

void Connection::SetGone(uint64_t request, std::function<void()> gone) {
  Guarded([&] {
    const bool waits = state_ == State::kHandling && request == request_;
    if (waits && !ended_) {
      gone_ = std::move(gone);
    } else {
      shared_->loop->Defer(std::move(gone));
    }
  });
}

void Connection::CallGone() {
  const std::function<void()> gone = std::exchange(gone_, nullptr);
  if (gone != nullptr) Guarded(gone);
}

void Connection::RefuseNow(const Error& error) {
  ++shared_->counts.refused;
  keep_alive_ = false;
  Response response = shared_->handler->Refuse(error);
  if (error.status == 503) response.headers.emplace_back("Retry-After", "1");
  SendAnswer(std::move(response));
}

void Connection::SendAnswer(Response response) {
  if (shared_->draining) keep_alive_ = false;
  state_ = State::kSending;
  if (!keep_alive_) input_.Clear();  // nothing further is read
  const std::string head =
      FormatHead(response, keep_alive_, shared_->date.Now());
  absl::Cord body;
  if (!head_only_ && HasBody(response.status)) body = std::move(response.body);
  bytes_ = static_cast<int64_t>(head.size() + body.size());
  OnSent(output_.Write(fd_, head, std::move(body)));
  if (state_ == State::kSending) WatchRate();
}

void Connection::OnSent(bool alive) {
  if (!alive) return Close();
  Want();
  if (output_.empty() && state_ == State::kSending) OnWritten();
}

void Connection::OnWritten() {
  head_only_ = false;
  if (!keep_alive_) return Linger();
  state_ = State::kReading;
  deadline_.Set(shared_->timeouts.idle);
  read_ahead_ = true;
  Want();
  Process();  // what has come meanwhile makes no event
}

void Connection::Linger() {
  if (ended_) return Close();
  state_ = State::kLingering;
  shutdown(fd_, SHUT_WR);
  input_.Clear();
  seen_moved_ = Moved();
  deadline_.Set(shared_->timeouts.linger);
  Want();
}

void Connection::Want() {
  if (state_ == State::kClosed) return;
  const bool waits_for_its_turn =
      state_ == State::kHandling || state_ == State::kSending;
  const bool read = !ended_ && (read_ahead_ || !waits_for_its_turn);
  if (!watch_->Want(read, !output_.empty())) Close();
}

// ---- Time

void Connection::WatchRate() {
  seen_moved_ = 0;
  deadline_.Set(shared_->timeouts.stall);
}

int64_t Connection::Moved() const {
  if (state_ == State::kReading) return bytes_;
  // The kernel takes megabytes at once from us: what counts is what the
  // client's side has taken from the kernel.
  return bytes_ - static_cast<int64_t>(output_.size()) - QueuedInKernel(fd_);
}

bool Connection::Moves(std::chrono::milliseconds span) {
  const int64_t moved = Moved();
  const int64_t wanted =
      shared_->timeouts.min_bytes_per_second * span.count() / 1000;
  if (moved - seen_moved_ < std::max<int64_t>(wanted, 1)) return false;
  seen_moved_ = moved;
  return true;
}

void Connection::OnDeadline() {
  const Timeouts& timeouts = shared_->timeouts;
  switch (state_) {
    case State::kReading: {
      // Nothing was asked: there is nothing to say.
      if (!parser_.started()) return Linger();
      const bool in_body = parser_.state() == Parser::State::kBody;
      if (in_body && Moves(timeouts.stall))
        return deadline_.Set(timeouts.stall);
      return RefuseNow(TooSlow());
    }
    case State::kSending:
      // Part of the answer is out: there is nothing more to say.
      return Moves(timeouts.stall) ? deadline_.Set(timeouts.stall) : Close();
    case State::kLingering:
      // The kernel may still hold megabytes of the answer.
      return QueuedInKernel(fd_) > 0 && Moves(timeouts.linger)
                 ? deadline_.Set(timeouts.linger)
                 : Close();
    case State::kHandling:
    case State::kClosed:
      return;
  }
}

Error Connection::TooSlow() const {
  const Timeouts& timeouts = shared_->timeouts;
  if (parser_.state() == Parser::State::kHead) {
    return {408, absl::StrCat("request line and headers did not arrive within ",
                              timeouts.head.count(), " ms")};
  }
  return {408,
          absl::StrCat("the body arrived at less than ",
                       timeouts.min_bytes_per_second, " bytes per second for ",
                       timeouts.stall.count(), " ms")};
}

}  // namespace http
