#include "bench/load_grpc.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

// So that no answer waits for an update of a window.
constexpr int32_t kWindow = 64 << 20;
constexpr size_t kMostOut = 256 << 10;
// A call that is refused so often in a row is lost.
constexpr int kMostTries = 20;

struct Call {
  Asked asked;
  int tries = 0;
  size_t written = 0;
  int http = 0;     // :status
  int status = -1;  // grpc-status; -1: none has come
  std::string message;
  std::string body;
};

class Grpc;

class Connection : public Waiter {
 public:
  Connection(Grpc* client, int fd);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Begin(Call call);
  void OnReady(bool readable, bool writable) override;
  // Of all calls on it.
  void Lose(const std::string& why);

  size_t calls() const { return calls_.size(); }
  // Takes further ones.
  bool open() const { return !closed_ && !leaving_; }
  bool over() const { return closed_ || (leaving_ && calls_.empty()); }

 private:
  static void SetCallbacks(nghttp2_session_callbacks* callbacks);
  void Read();
  void Write();
  void OnHeader(int32_t id, std::string_view name, std::string_view value);
  void OnClosed(int32_t id, uint32_t code);
  Call* Find(int32_t id);

  Grpc& client_;
  const int fd_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Call> calls_;
  std::string out_;  // what the socket has not taken yet
  bool leaving_ = false;
  bool closed_ = false;
};

class Grpc : public Client {
 public:
  Grpc(Poller* poller, Ports* ports, Results* results, int connections,
       int streams)
      : poller_(*poller),
        ports_(*ports),
        results_(*results),
        most_connections_(static_cast<size_t>(connections)),
        streams_(static_cast<size_t>(streams)) {}

  bool Open() override {
    while (connections_.size() < most_connections_) {
      if (Connect() == nullptr) return false;
    }
    return true;
  }
  bool has_room() const override {
    return under_way_ < most_connections_ * streams_;
  }
  bool idle() const override { return under_way_ == 0; }

  void Send(const Asked& asked) override {
    ++under_way_;
    Call call;
    call.asked = asked;
    Send(std::move(call));
    Settle();
  }

  void Abandon() override {
    for (const auto& connection : connections_) connection->Lose("no answer");
  }

 private:
  friend class Connection;

  // What callbacks of nghttp2 must not do is done here, behind them.
  void Settle() {
    while (!unseen_.empty()) {
      Call call = std::move(unseen_.front());
      unseen_.pop_front();
      Send(std::move(call));
    }
    for (auto& connection : connections_) {
      if (connection->over()) poller_.DeleteLater(std::move(connection));
    }
    connections_.erase(
        std::remove(connections_.begin(), connections_.end(), nullptr),
        connections_.end());
  }

  void Send(Call call) {
    Connection* const connection = Pick();
    if (connection == nullptr) {
      OnLost(call, std::strerror(errno));
      return;
    }
    ports_.OnSent();
    ++call.tries;
    connection->Begin(std::move(call));
  }

  // One with the fewest calls, when there are as many as there shall be.
  Connection* Pick() {
    size_t open = 0;
    Connection* best = nullptr;
    for (const auto& connection : connections_) {
      if (!connection->open()) continue;
      ++open;
      if (best == nullptr || connection->calls() < best->calls()) {
        best = connection.get();
      }
    }
    return open < most_connections_ ? Connect() : best;
  }

  // nullptr, and errno, where it is refused.
  Connection* Connect() {
    const int fd = ports_.Connect();
    if (fd < 0) return nullptr;
    auto made = std::make_unique<Connection>(this, fd);
    connections_.push_back(std::move(made));
    return connections_.back().get();
  }

  void OnAnswer(Call call) {
    --under_way_;
    Answer answer;
    answer.status = call.status;
    answer.body = std::move(call.body);
    answer.message = std::move(call.message);
    results_.OnAnswer(call.asked, std::move(answer));
  }
  void OnLost(const Call& call, const std::string& why) {
    --under_way_;
    results_.OnLost(call.asked, why);
  }
  void OnUnseen(Call call) {
    if (call.tries >= kMostTries) {
      OnLost(call, "refused " + std::to_string(kMostTries) + " times");
      return;
    }
    results_.OnSentAgain();
    Call again;
    again.asked = call.asked;
    again.tries = call.tries;
    unseen_.push_back(std::move(again));
  }

  Poller& poller_;
  Ports& ports_;
  Results& results_;
  const size_t most_connections_, streams_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Call> unseen_;  // to be sent again
  size_t under_way_ = 0;
};

Connection::Connection(Grpc* client, int fd) : client_(*client), fd_(fd) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  SetCallbacks(callbacks);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 2> settings = {{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow},
  }};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(),
                          settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        kWindow);
  client_.poller_.Add(fd_, this);
}

Connection::~Connection() {
  nghttp2_session_del(session_);
  close(fd_);
}

Call* Connection::Find(int32_t id) {
  const auto it = calls_.find(id);
  return it != calls_.end() ? &it->second : nullptr;
}

void Connection::Begin(Call call) {
  std::vector<nghttp2_nv> fields;
  for (const auto& [name, value] : call.asked.what->headers) {
    fields.push_back(
        {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
         reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
         name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  nghttp2_data_provider source = {};
  source.read_callback = [](nghttp2_session*, int32_t id, uint8_t* to,
                            size_t most, uint32_t* flags, nghttp2_data_source*,
                            void* self) -> ssize_t {
    Call* const call = static_cast<Connection*>(self)->Find(id);
    if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::string& request = call->asked.what->request;
    const size_t size = std::min(most, request.size() - call->written);
    std::memcpy(to, request.data() + call->written, size);
    call->written += size;
    if (call->written == request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  };
  const int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(),
                                            fields.size(), &source, nullptr);
  if (id < 0) {
    client_.OnLost(call, nghttp2_strerror(id));
    return;
  }
  calls_.emplace(id, std::move(call));
  Write();
}

void Connection::OnReady(bool readable, bool writable) {
  if (closed_) return;
  if (readable) Read();
  if (!closed_ && (readable || writable)) Write();
  client_.Settle();
}

void Connection::Read() {
  std::array<uint8_t, 64 << 10> bytes;
  const ssize_t count = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) return Lose("the connection ended");
  const ssize_t read = nghttp2_session_mem_recv(session_, bytes.data(),
                                                static_cast<size_t>(count));
  if (read < 0) Lose(nghttp2_strerror(static_cast<int>(read)));
}

void Connection::Write() {
  for (;;) {
    while (out_.size() < kMostOut) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
      if (size < 0) return Lose(nghttp2_strerror(static_cast<int>(size)));
      if (size == 0) break;
      out_.append(reinterpret_cast<const char*>(bytes),
                  static_cast<size_t>(size));
    }
    if (out_.empty()) break;
    const ssize_t count =
        send(fd_, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) {
      // Where the server has closed, what it answered is still to be read.
      client_.poller_.Want(fd_, this, errno == EAGAIN);
      return;
    }
    out_.erase(0, static_cast<size_t>(count));
  }
  client_.poller_.Want(fd_, this, false);
}

void Connection::Lose(const std::string& why) {
  closed_ = true;
  for (const auto& [id, call] : std::exchange(calls_, {})) {
    client_.OnLost(call, why);
  }
}

// ---- From nghttp2

void Connection::SetCallbacks(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame,
                    const uint8_t* name, size_t name_size, const uint8_t* value,
                    size_t value_size, uint8_t, void* self) {
        static_cast<Connection*>(self)->OnHeader(
            frame->hd.stream_id,
            {reinterpret_cast<const char*>(name), name_size},
            {reinterpret_cast<const char*>(value), value_size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes,
                    size_t size, void* self) {
        Call* const call = static_cast<Connection*>(self)->Find(id);
        if (call != nullptr) {
          call->body.append(reinterpret_cast<const char*>(bytes), size);
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, int32_t id, uint32_t code, void* self) {
        static_cast<Connection*>(self)->OnClosed(id, code);
        return 0;
      });
  // A stream that did not begin before a GOAWAY came.
  nghttp2_session_callbacks_set_on_frame_not_send_callback(
      callbacks,
      [](nghttp2_session*, const nghttp2_frame* frame, int, void* self) {
        if (frame->hd.type == NGHTTP2_HEADERS) {
          static_cast<Connection*>(self)->OnClosed(frame->hd.stream_id,
                                                   NGHTTP2_REFUSED_STREAM);
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
        if (frame->hd.type == NGHTTP2_GOAWAY) {
          // nghttp2 closes the streams above the last one as refused.
          static_cast<Connection*>(self)->leaving_ = true;
        }
        return 0;
      });
}

void Connection::OnHeader(int32_t id, std::string_view name,
                          std::string_view value) {
  Call* const call = Find(id);
  if (call == nullptr) return;
  if (name == ":status") call->http = std::atoi(std::string(value).c_str());
  if (name == "grpc-status") {
    call->status = std::atoi(std::string(value).c_str());
  }
  if (name == "grpc-message") call->message = std::string(value);
}

void Connection::OnClosed(int32_t id, uint32_t code) {
  const auto it = calls_.find(id);
  if (it == calls_.end()) return;
  Call call = std::move(it->second);
  calls_.erase(it);
  if (call.status >= 0) {
    client_.OnAnswer(std::move(call));
  } else if (code == NGHTTP2_REFUSED_STREAM) {
    client_.OnUnseen(std::move(call));
  } else {
    client_.OnLost(call, "HTTP " + std::to_string(call.http) +
                             ", no grpc-status, closed as " +
                             nghttp2_http2_strerror(code));
  }
}

}  // namespace

std::unique_ptr<Client> GrpcClient(Poller* poller, Ports* ports,
                                   Results* results, int connections,
                                   int streams) {
  return std::make_unique<Grpc>(poller, ports, results, connections, streams);
}
