// A client by nghttp2 on a Link, for tests that must see and choose what frames
// there are.
#ifndef CC_FRONTEND_GRPC_CLIENT_H_
#define CC_FRONTEND_GRPC_CLIENT_H_

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/frontend/grpc/link.h"

namespace grpc {

// A message as it goes over the wire.
inline std::string Framed(absl::string_view message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(message.size() >> shift));
  }
  return absl::StrCat(out, message);
}

class Client {
 public:
  struct Answer {
    std::map<std::string, std::string> fields;  // headers and trailers
    std::string data;
    std::optional<uint32_t> closed;  // with this code
    bool reset = false;              // by the server
    std::string status() const {
      const auto it = fields.find("grpc-status");
      return it != fields.end() ? it->second : "none";
    }
  };
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit Client(Link* link,
                  const std::vector<nghttp2_settings_entry>& settings = {})
      : link_(link) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    SetCallbacks(callbacks);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, settings.data(), settings.size());
  }
  ~Client() { nghttp2_session_del(session_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Begins a call; `end`: without a message. Fields replace those of gRPC.
  int32_t Call(const std::string& path, bool end = false,
               const Fields& more = {}) {
    Fields fields = {{":method", "POST"},
                     {":scheme", "http"},
                     {":path", path},
                     {":authority", "h"},
                     {"content-type", "application/grpc"},
                     {"te", "trailers"}};
    for (const auto& [name, value] : more) {
      const auto it = std::find_if(
          fields.begin(), fields.end(),
          [&name = name](const auto& field) { return field.first == name; });
      if (it != fields.end()) {
        it->second = value;
      } else {
        fields.emplace_back(name, value);
      }
    }
    const int32_t id = SubmitHeaders(-1, fields, end);
    Pump();
    return id;
  }
  void Trailers(int32_t id, const Fields& fields) {
    SubmitHeaders(id, fields, true);
    Pump();
  }
  // Bytes of the call, whatever they are, as far as the windows let them go.
  void Send(int32_t id, const std::string& bytes, bool end = false) {
    unsent_[id] += bytes;
    nghttp2_data_provider source = {};
    source.read_callback = [](nghttp2_session*, int32_t stream, uint8_t* to,
                              size_t most, uint32_t* flags,
                              nghttp2_data_source*, void* self) -> ssize_t {
      std::string& left = static_cast<Client*>(self)->unsent_[stream];
      const size_t size = std::min(most, left.size());
      std::copy_n(left.data(), size, to);
      left.erase(0, size);
      if (left.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(size);
    };
    nghttp2_submit_data(session_, end ? NGHTTP2_FLAG_END_STREAM : 0, id,
                        &source);
    Pump();
  }
  size_t unsent(int32_t id) { return unsent_[id].size(); }
  void Reset(int32_t id, uint32_t code = NGHTTP2_CANCEL) {
    nghttp2_submit_rst_stream(session_, 0, id, code);
    Pump();
  }
  // Of a stream, or (0) of the connection.
  void UpdateWindow(int32_t id, int32_t by) {
    nghttp2_submit_window_update(session_, 0, id, by);
    Pump();
  }
  void GoAway() {
    nghttp2_submit_goaway(session_, 0, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    Pump();
  }

  // Sends and receives what there is.
  void Pump() {
    for (;;) {
      nghttp2_session_send(session_);
      Turn(link_->loop());
      const std::string bytes = link_->Read();
      if (bytes.empty()) return;
      read_ += bytes;
      nghttp2_session_mem_recv(session_,
                               reinterpret_cast<const uint8_t*>(bytes.data()),
                               bytes.size());
    }
  }

  Answer& operator[](int32_t id) { return answers_[id]; }
  nghttp2_session* session() { return session_; }
  // All that it has got, of which nghttp2 passes over what follows the end.
  const std::string& read() const { return read_; }
  // Of GOAWAY, the last of each.
  std::optional<int32_t> last_stream() const { return last_stream_; }
  std::optional<uint32_t> goaway_error() const { return goaway_error_; }
  // Answers to pings wait until then.
  void HoldPings(bool hold) { hold_pings_ = hold; }

 private:
  int32_t SubmitHeaders(int32_t id, const Fields& fields, bool end) {
    std::vector<nghttp2_nv> values;
    for (const auto& [name, value] : fields) {
      values.push_back(
          {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
           reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
           name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return nghttp2_submit_headers(session_, end ? NGHTTP2_FLAG_END_STREAM : 0,
                                  id, nullptr, values.data(), values.size(),
                                  nullptr);
  }

  static Client& Self(void* self) { return *static_cast<Client*>(self); }
  static void SetCallbacks(nghttp2_session_callbacks* callbacks) {
    nghttp2_session_callbacks_set_send_callback(
        callbacks, [](nghttp2_session*, const uint8_t* bytes, size_t size, int,
                      void* self) {
          Self(self).link_->Write({reinterpret_cast<const char*>(bytes), size});
          return static_cast<ssize_t>(size);
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
           size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
           void* self) {
          Self(self).answers_[frame->hd.stream_id].fields[std::string(
              name, name + name_size)] = std::string(value, value + value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, uint8_t, int32_t id,
                      const uint8_t* bytes, size_t size, void* self) {
          Self(self).answers_[id].data.append(
              reinterpret_cast<const char*>(bytes), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t id, uint32_t code, void* self) {
          Self(self).answers_[id].closed = code;
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          if (frame->hd.type == NGHTTP2_GOAWAY) {
            Self(self).last_stream_ = frame->goaway.last_stream_id;
            Self(self).goaway_error_ = frame->goaway.error_code;
          } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
            Self(self).answers_[frame->hd.stream_id].reset = true;
          }
          return 0;
        });
    nghttp2_session_callbacks_set_before_frame_send_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          return frame->hd.type == NGHTTP2_PING && Self(self).hold_pings_
                     ? NGHTTP2_ERR_CANCEL
                     : 0;
        });
  }

  Link* const link_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Answer> answers_;
  std::map<int32_t, std::string> unsent_;
  std::optional<int32_t> last_stream_;
  std::optional<uint32_t> goaway_error_;
  bool hold_pings_ = false;
  std::string read_;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_CLIENT_H_
