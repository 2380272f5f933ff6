#include "cc/frontend/grpc/connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <new>
#include <utility>

#include "cc/frontend/grpc/call.h"

namespace grpc {
namespace {

// What one client may bring in one turn of the loop, in system calls: more is
// unfair to the others.
constexpr int kReadsAtOnce = 4;
// A block with less room is not received into: it would make small reads.
constexpr size_t kLeastRoom = 4 << 10;
constexpr size_t kLargeBlock = 256 << 10;
constexpr uint32_t kCallWindow = 1 << 20;
constexpr int32_t kConnectionWindow = 16 << 20;
// Clients that make us reset their calls, by what breaks the protocol, are let
// go: each costs us the work of a call.
constexpr int kMostResets = 100;
constexpr uint8_t kDrainPing[8] = {'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

// What somebody gets who does not speak HTTP/2.
constexpr absl::string_view kNoHttp2 =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
    "Connection: close\r\n\r\n"
    "This port speaks gRPC, over HTTP/2 without TLS (prior knowledge). REST is "
    "served on --port.\n";

}  // namespace

Connection::Connection(Shared* shared, int fd)
    : shared_(shared),
      fd_(fd),
      tick_(shared->loop, [this] { Guarded([this] { OnTick(); }); }),
      tick_span_(std::min({shared->timeouts.stall, shared->timeouts.head,
                           shared->timeouts.idle})),
      idle_since_(base::Clock::now()) {}

Connection::~Connection() {
  watch_.reset();
  if (session_ != nullptr) nghttp2_session_del(session_);
  if (fd_ >= 0) close(fd_);
}

template <typename F>
void Connection::Guarded(F f) {
  const std::shared_ptr<Connection> keep = shared_from_this();
  if (state_ == State::kClosed) return;
  try {
    f();
  } catch (...) {
    ++shared_->counts.failed;
    Close();
  }
}

void Connection::Start() {
  Guarded([this] {
    if (nghttp2_session_server_new2(&session_, shared_->callbacks, this,
                                    shared_->options) != 0) {
      throw std::bad_alloc();
    }
    const std::array<nghttp2_settings_entry, 5> settings = {{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, shared_->limits.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kCallWindow},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrame},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, shared_->limits.header_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    }};
    if (nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(),
                                settings.size()) != 0 ||
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                              kConnectionWindow) != 0) {
      throw std::bad_alloc();
    }
    watch_.emplace(shared_->loop, fd_, [this](bool readable, bool writable) {
      OnReady(readable, writable);
    });
    tick_.Start(tick_span_);
    Want();
  });
}

void Connection::TurnAway(std::string why) {
  Guarded([&] {
    shared_->handler->OnRefused({}, absl::UnavailableError(why));
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR,
                          reinterpret_cast<const uint8_t*>(why.data()),
                          why.size());
    state_ = State::kEnding;
    Write();
  });
}

void Connection::AnnounceEnd() {
  Guarded([this] {
    if (state_ != State::kOpen) return;
    state_ = State::kAnnounced;
    nghttp2_submit_shutdown_notice(session_);
    WriteSoon();
  });
}

// Calls that are on their way when the client is told are still served: only
// when it has answered our ping is it known which the last one is.
void Connection::Drain() {
  Guarded([this] {
    if (state_ == State::kOpen) OnReadable();  // what has come is answered
    if (state_ == State::kLingering || state_ == State::kClosed ||
        std::exchange(drain_asked_, true)) {
      return;
    }
    if (!greeted_) return Linger();
    idle_since_ = base::Clock::now();
    AnnounceEnd();
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kDrainPing);
    WriteSoon();
  });
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const std::shared_ptr<Connection> keep = shared_from_this();
  const auto calls = std::exchange(calls_, {});
  Abandon();
  for (const auto& [id, call] : calls) call->OnClosed();
  shared_->closed(this);
}

void Connection::Abandon() {
  state_ = State::kClosed;
  watch_.reset();
  tick_.Stop();
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  block_.reset();
  out_.Clear();
  for (const auto& [id, call] : std::exchange(calls_, {})) call->Abandon();
}

int Connection::owed() const {
  return static_cast<int>(
      std::count_if(calls_.begin(), calls_.end(),
                    [](const auto& entry) { return entry.second->busy(); }));
}

// ---- Reading

void Connection::OnReady(bool readable, bool writable) {
  Guarded([&] {
    if (writable && !out_.empty()) Write();
    if (readable && state_ != State::kClosed) OnReadable();
  });
}

// Empty where there is no memory.
absl::Span<char> Connection::Room() {
  const size_t wanted = large_ ? kLargeBlock : http::Block::kUsual;
  if (block_ != nullptr && block_.use_count() == 1) block_used_ = 0;
  if (block_ == nullptr || block_->capacity - block_used_ < kLeastRoom ||
      (block_used_ == 0 && block_->capacity != wanted)) {
    block_ = shared_->pool->Get(wanted);
    block_used_ = 0;
    if (block_ == nullptr) return {};
  }
  return {block_->data.get() + block_used_, block_->capacity - block_used_};
}

void Connection::OnReadable() {
  if (state_ == State::kLingering) return DiscardInput();
  for (int i = 0; i < kReadsAtOnce; ++i) {
    absl::Span<char> room = Room();
    const bool in_block = !room.empty();
    if (!in_block) room = absl::MakeSpan(shared_->scratch);
    const ssize_t n = recv(fd_, room.data(), room.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (n <= 0) return Close();
    const auto size = static_cast<size_t>(n);
    shared_->counts.bytes_in += size;
    large_ = size == room.size();
    if (in_block) block_used_ += size;
    feeding_ = in_block ? &block_ : nullptr;
    const bool good = Feed({room.data(), size});
    feeding_ = nullptr;
    if (!good || size < room.size()) break;
  }
  // Without calls a connection keeps no memory for what is not there; see also
  // OnStreamClosed.
  if (calls_.empty()) block_.reset();
  if (state_ != State::kClosed) WriteSoon();
}

bool Connection::Feed(absl::string_view bytes) {
  const ssize_t n = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (n >= 0) return true;
  // Of what only breaks the protocol nghttp2 tells the client by itself.
  if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    OnNoHttp2(bytes);
  } else {
    Close();
  }
  return false;
}

void Connection::OnNoHttp2(absl::string_view bytes) {
  shared_->handler->OnRefused(
      {}, absl::InvalidArgumentError(
              "a client does not speak HTTP/2 with prior knowledge"));
  // Letters: HTTP/1. Else it is TLS, most likely, and there is no answer.
  if (bytes.front() >= 'A' && bytes.front() <= 'Z') {
    out_.Append(kNoHttp2);
    WriteOut();
  }
  Linger();
}

void Connection::DiscardInput() {
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const ssize_t n =
        recv(fd_, shared_->scratch.data(), shared_->scratch.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return Close();
    if (static_cast<size_t>(n) < shared_->scratch.size()) return;
  }
}

// ---- From nghttp2

Connection::Call* Connection::Find(int32_t id) {
  return static_cast<Call*>(nghttp2_session_get_stream_user_data(session_, id));
}

void Connection::OnBeginHeaders(int32_t id) {
  auto call = std::make_shared<Call>(this, id);
  nghttp2_session_set_stream_user_data(session_, id, call.get());
  calls_.emplace(id, std::move(call));
}

void Connection::OnFrame(const nghttp2_frame& frame) {
  greeted_ = true;
  Call* const call =
      frame.hd.stream_id > 0 ? Find(frame.hd.stream_id) : nullptr;
  const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (call == nullptr) return;
      if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
        ++shared_->counts.requests;
        call->OnHead();
      }
      if (end) call->OnEnd();
      return;
    case NGHTTP2_DATA:
      if (call != nullptr && end) call->OnEnd();
      return;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 && drain_asked_ &&
          std::equal(std::begin(kDrainPing), std::end(kDrainPing),
                     frame.ping.opaque_data)) {
        OnDrained();
      }
      return;
    default:
      return;
  }
}

// The client knows that it should go, and all that it sent before has come.
void Connection::OnDrained() {
  if (state_ != State::kAnnounced) return;
  state_ = State::kEnding;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  std::vector<std::shared_ptr<Call>> calls;
  calls.reserve(calls_.size());
  for (const auto& [id, call] : calls_) calls.push_back(call);
  for (const auto& call : calls) call->OnDrain();
}

void Connection::OnStreamClosed(int32_t id) {
  const auto it = calls_.find(id);
  if (it == calls_.end()) return;
  const std::shared_ptr<Call> call = std::move(it->second);
  calls_.erase(it);
  nghttp2_session_set_stream_user_data(session_, id, nullptr);
  call->OnClosed();
  if (!calls_.empty()) return;
  idle_since_ = base::Clock::now();
  if (feeding_ == nullptr) block_.reset();
}

int Connection::OnFrameSent(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_RST_STREAM &&
      frame.rst_stream.error_code != NGHTTP2_NO_ERROR &&
      frame.rst_stream.error_code != NGHTTP2_REFUSED_STREAM &&
      ++reset_by_us_ > kMostResets) {
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  if (frame.hd.type == NGHTTP2_HEADERS &&
      (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    if (Call* const call = Find(frame.hd.stream_id)) call->OnTrailersSent();
  }
  return 0;
}

// ---- Writing

void Connection::WriteSoon() {
  if (state_ == State::kClosed || std::exchange(write_soon_, true)) return;
  shared_->loop->Defer([weak = weak_from_this()] {
    const auto connection = weak.lock();
    if (connection == nullptr) return;
    connection->write_soon_ = false;
    connection->Guarded([&] { connection->Write(); });
  });
}

void Connection::Write() {
  if (state_ == State::kLingering) {
    if (WriteOut()) shutdown(fd_, SHUT_WR);
    return;
  }
  for (;;) {
    if (nghttp2_session_send(session_) != 0) return Close();
    if (state_ == State::kClosed) return;
    const bool more = out_.size() > kMostOut;
    if (!WriteOut()) return;
    if (!more) break;
  }
  EndIfDone();
}

bool Connection::WriteOut() {
  const uint64_t before = moved_out_;
  const bool good = out_.Flush(fd_);
  shared_->counts.bytes_out += moved_out_ - before;
  if (!good) {
    Close();
    return false;
  }
  Want();
  return state_ != State::kClosed && out_.empty();
}

// All is written, so far.
void Connection::EndIfDone() {
  const bool over = nghttp2_session_want_read(session_) == 0 &&
                    nghttp2_session_want_write(session_) == 0;
  if (over || (state_ == State::kEnding && calls_.empty())) Linger();
}

// So that the client closes first: what it sends to a closed socket would make
// its kernel drop what we sent last.
void Connection::Linger() {
  if (state_ == State::kLingering || state_ == State::kClosed) return;
  state_ = State::kLingering;
  if (out_.empty()) shutdown(fd_, SHUT_WR);
  tick_.Start(shared_->timeouts.linger);
  Want();
}

void Connection::Want() {
  if (state_ == State::kClosed) return;
  if (!watch_->Want(/*read=*/true, /*write=*/!out_.empty())) Close();
}

}  // namespace grpc
