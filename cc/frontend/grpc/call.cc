#include "cc/frontend/grpc/call.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/frontend/grpc/headers.h"

namespace grpc {
namespace {

// Of messages in both directions: what a client may send ahead of us, and what
// may wait for it until it must stop asking.
constexpr size_t kMostUnsent = 1 << 20;
// Messages that wait to be decompressed; a client that sends more is held back
// by its window.
constexpr size_t kMostWaiting = 8192;
constexpr size_t kMostPath = 1024;
constexpr size_t kMostMessage = 2000;

constexpr uint8_t kStatic =
    NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;

// Both live until the headers are written, or the value is copied.
nghttp2_nv Field(absl::string_view name, absl::string_view value,
                 uint8_t flags) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
          name.size(), value.size(), flags};
}

}  // namespace

Connection::Call::Call(Connection* connection, int32_t id)
    : connection_(connection),
      id_(id),
      incoming_(connection->shared_->limits.message_bytes,
                connection->shared_->budget) {}

// What an exchange throws (std::bad_alloc) is its own end.
template <typename F>
void Connection::Call::WithExchange(F f) {
  const std::shared_ptr<Exchange> exchange =
      exchange_ != nullptr ? exchange_ : exchange_later_.lock();
  if (exchange == nullptr) return;
  try {
    f(*exchange);
  } catch (const std::bad_alloc&) {
    Finish(absl::ResourceExhaustedError(
        "the server has no memory for this request just now"));
  }
}

// ---- What the client sends

void Connection::Call::OnHeader(absl::string_view name,
                                absl::string_view value) {
  constexpr size_t kOverhead = 32;  // as HTTP/2 counts
  header_bytes_ += name.size() + value.size() + kOverhead;
  const size_t most = connection_->shared_->limits.header_bytes;
  if (header_bytes_ > most) {
    head_error_ = absl::ResourceExhaustedError(
        absl::StrCat("the headers have more than ", most, " bytes"));
    return;
  }
  if (name == ":path") {
    head_.path = std::string(base::Clip(value, kMostPath));
  } else if (name == ":method") {
    method_ = std::string(value);
  } else if (name == "content-type") {
    content_type_ = std::string(value);
  } else if (name == "grpc-encoding") {
    encoding_ = std::string(value);
  } else if (name == "grpc-accept-encoding") {
    accept_encoding_ = std::string(value);
  } else if (name == "grpc-timeout") {
    const auto timeout = ParseTimeout(value);
    if (timeout) {
      head_.deadline = base::Clock::now() + *timeout;
    } else {
      head_error_ = absl::InvalidArgumentError(
          absl::StrCat("grpc-timeout ", base::Quote(value), " is no time"));
    }
  } else {
    head_.caller.OnHeader(name, value);
  }
}

absl::Status Connection::Call::CheckHead() {
  if (!head_error_.ok()) return head_error_;
  if (method_ != "POST") {
    return absl::UnimplementedError(
        absl::StrCat("method ", base::Clip(method_, 20), " is none of gRPC"));
  }
  const auto coding = encoding_.empty() ? coding::Coding::kIdentity
                                        : coding::CodingOf(encoding_);
  if (!coding) {
    return absl::UnimplementedError(
        absl::StrCat("grpc-encoding ", base::Quote(encoding_),
                     " is not served; these are: ", kAcceptEncoding));
  }
  coding_ = *coding;
  return absl::OkStatus();
}

void Connection::Call::OnHead() {
  head_.start = base::Clock::now();
  if (const absl::Status status = CheckHead(); !status.ok()) {
    return Refuse(status);
  }
  if (!absl::StartsWith(content_type_, "application/grpc")) {
    return Refuse(absl::InvalidArgumentError(
        absl::StrCat("content-type ", base::Quote(content_type_),
                     " is not that of gRPC, application/grpc")));
  }
  if (coding_ != coding::Coding::kIdentity) Expand();
  try {
    exchange_ =
        connection_->shared_->handler->Begin(head_, Reply(shared_from_this()));
    if (finished_) exchange_.reset();
  } catch (const std::bad_alloc&) {
    Refuse(absl::ResourceExhaustedError(
        "the server has no memory for a further request now"));
  }
}

void Connection::Call::OnData(absl::string_view bytes) {
  moved_ += bytes.size();
  window_ += bytes.size();
  const std::shared_ptr<http::Block> none;
  const auto& block =
      connection_->feeding_ != nullptr ? *connection_->feeding_ : none;
  while (!finished_ && !bytes.empty()) {
    auto message = incoming_.Feed(&bytes, block);
    if (!message.ok()) {
      Refuse(message.status());
    } else if (message->has_value()) {
      OnMessage(**std::move(message));
    }
  }
  ReleaseWindow();
}

void Connection::Call::OnMessage(Incoming::Message message) {
  if (coded_in_ == nullptr) return Deliver(std::move(message.bytes));
  if (coded_in_->size() >= kMostWaiting) {
    return Refuse(absl::ResourceExhaustedError(absl::StrCat(
        "more than ", kMostWaiting, " messages wait to be decompressed")));
  }
  coded_in_->Push(std::move(message.bytes), message.compressed);
}

void Connection::Call::Deliver(absl::Cord message) {
  WithExchange(
      [&](Exchange& exchange) { exchange.OnMessage(std::move(message)); });
}

void Connection::Call::OnEnd() {
  ended_ = true;
  if (finished_) return;
  if (incoming_.within()) {
    return Refuse(absl::InternalError("the call ends within a message"));
  }
  if (coded_in_ == nullptr || coded_in_->empty()) HandOver();
}

void Connection::Call::HandOver() {
  // From now on whoever is to answer holds it.
  const std::shared_ptr<Exchange> exchange = exchange_;
  exchange_later_ = exchange;
  WithExchange([](Exchange& e) { e.OnEnd(); });
  exchange_.reset();
}

void Connection::Call::OnClosed() {
  connection_ = nullptr;
  const bool waited = !std::exchange(finished_, true);
  Forget();
  out_.Clear();
  if (waited) WithExchange([](Exchange& e) { e.OnGone(); });
  exchange_.reset();
}

void Connection::Call::Abandon() {
  connection_ = nullptr;
  finished_ = true;
  exchange_.reset();
}

void Connection::Call::OnDrain() {
  if (!finished_) WithExchange([](Exchange& e) { e.OnDrain(); });
}

// So that the client can send as much again, if it need not wait.
void Connection::Call::ReleaseWindow() {
  if (connection_ == nullptr || window_ == 0) return;
  bool full = unsent() > kMostUnsent ||
              (!finished_ && coded_in_ != nullptr && !coded_in_->empty());
  if (!full && !finished_) {
    WithExchange([&](Exchange& e) { full = e.full(); });
  }
  if (full) return;
  nghttp2_session_consume_stream(connection_->session_, id_,
                                 std::exchange(window_, 0));
  connection_->WriteSoon();
}

// ---- What the client gets

void Connection::Call::Respond(const nghttp2_data_provider* source) {
  responded_ = true;
  const std::array<nghttp2_nv, 4> fields = {
      Field(":status", "200", kStatic),
      Field("content-type", "application/grpc", kStatic),
      Field("grpc-accept-encoding", kAcceptEncoding, kStatic),
      Field("grpc-encoding", coding::NameOf(coding_), kStatic)};
  nghttp2_submit_response(connection_->session_, id_, fields.data(),
                          fields.size() - (coded_out_ == nullptr ? 1 : 0),
                          source);
}

void Connection::Call::Send(absl::Cord message) {
  if (connection_ == nullptr || finished_) return;
  if (coded_out_ == nullptr) return Emit(std::move(message), false);
  const bool large = message.size() >= coding::Coders::kLeastCompressed;
  coded_out_->Push(std::move(message), large);
}

void Connection::Call::Emit(absl::Cord message, bool compressed) {
  std::array<char, Incoming::kPrefix> prefix = {};
  prefix[0] = compressed ? 1 : 0;
  for (size_t i = 1; i < prefix.size(); ++i) {
    prefix[i] = static_cast<char>(message.size() >> (8 * (4 - i)));
  }
  out_.Append(absl::string_view(prefix.data(), prefix.size()));
  out_.Append(std::move(message));
  if (!responded_) {
    nghttp2_data_provider source = {};
    source.read_callback = [](nghttp2_session*, int32_t id, uint8_t*,
                              size_t length, uint32_t* flags,
                              nghttp2_data_source*, void* self) -> ssize_t {
      Call* const call = static_cast<Connection*>(self)->Find(id);
      if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      return call->Read(length, flags);
    };
    Respond(&source);
  } else if (std::exchange(waits_, false)) {
    nghttp2_session_resume_data(connection_->session_, id_);
  }
  ReleaseWindow();
  connection_->WriteSoon();
}

void Connection::Call::Finish(const absl::Status& status) {
  if (connection_ == nullptr || finished_) return;
  finished_ = true;
  status_ = status;
  if (coded_out_ == nullptr || coded_out_->empty()) {
    if (!responded_) {
      Trailers(true);
    } else if (std::exchange(waits_, false)) {
      nghttp2_session_resume_data(connection_->session_, id_);
    }
  }
  Forget();
  ReleaseWindow();
  connection_->WriteSoon();
}

void Connection::Call::Refuse(const absl::Status& status) {
  if (finished_) return;
  const std::shared_ptr<Exchange> exchange = std::exchange(exchange_, nullptr);
  connection_->shared_->handler->OnRefused(head_, status);
  ++connection_->shared_->counts.refused;
  Finish(status);
  // Whoever has asked already need not be answered.
  if (exchange != nullptr && !exchange->waits_for_client()) exchange->OnGone();
}

void Connection::Call::Trailers(bool only) {
  const std::string code = absl::StrCat(static_cast<int>(status_.code()));
  const std::string message =
      PercentEncode(base::Clip(status_.message(), kMostMessage));
  std::vector<nghttp2_nv> fields;
  if (only) {
    responded_ = true;
    // By the letter of gRPC over HTTP/2, where it is no call of gRPC at all.
    const bool is_grpc = absl::StartsWith(content_type_, "application/grpc");
    fields.push_back(Field(":status", is_grpc ? "200" : "415", kStatic));
    fields.push_back(Field("content-type", "application/grpc", kStatic));
    fields.push_back(Field("grpc-accept-encoding", kAcceptEncoding, kStatic));
  }
  fields.push_back(Field("grpc-status", code, NGHTTP2_NV_FLAG_NO_COPY_NAME));
  if (!message.empty()) {
    fields.push_back(
        Field("grpc-message", message, NGHTTP2_NV_FLAG_NO_COPY_NAME));
  }
  if (only) {
    nghttp2_submit_response(connection_->session_, id_, fields.data(),
                            fields.size(), nullptr);
  } else {
    nghttp2_submit_trailer(connection_->session_, id_, fields.data(),
                           fields.size());
  }
}

ssize_t Connection::Call::Read(size_t most, uint32_t* flags) {
  const bool more =
      !finished_ || (coded_out_ != nullptr && !coded_out_->empty());
  if (out_.empty() && more) {
    waits_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const size_t size = std::min(most, out_.size());
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (!more && size == out_.size()) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    Trailers(false);
  }
  return static_cast<ssize_t>(size);
}

void Connection::Call::MoveTo(size_t size, http::Output* out) {
  moved_ += size;
  if (size == out_.size()) {
    out->Append(std::exchange(out_, {}));
  } else {
    out->Append(out_.Subcord(0, size));
    out_.RemovePrefix(size);
  }
  if (finished_) return;
  if (out_.empty()) WithExchange([](Exchange& e) { e.OnSent(); });
  ReleaseWindow();
}

void Connection::Call::OnTrailersSent() {
  // What it still sends is for nobody.
  if (ended_ || connection_ == nullptr) return;
  nghttp2_submit_rst_stream(connection_->session_, NGHTTP2_FLAG_NONE, id_,
                            NGHTTP2_NO_ERROR);
}

// ---- Time

bool Connection::Call::busy() const {
  if (finished_) return true;  // the client does not have it yet
  const std::shared_ptr<Exchange> exchange =
      exchange_ != nullptr ? exchange_ : exchange_later_.lock();
  return exchange == nullptr || exchange->busy();
}

bool Connection::Call::Stalls(uint64_t least) {
  const bool stalls = seen_ && moved_ - seen_moved_ < least;
  seen_moved_ = moved_;
  seen_ = true;
  return stalls;
}

void Connection::Call::Cut() {
  if (connection_ == nullptr) return;
  nghttp2_submit_rst_stream(connection_->session_, NGHTTP2_FLAG_NONE, id_,
                            NGHTTP2_CANCEL);
  connection_->WriteSoon();
}

}  // namespace grpc
