// What nghttp2 calls. Part of connection.cc.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "cc/frontend/grpc/call.h"
#include "cc/frontend/grpc/connection.h"

namespace grpc {
namespace {

absl::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

// C functions: nothing may be thrown through nghttp2's frames.
struct Connection::Callbacks {
  template <typename F>
  static int Guarded(F f) {
    try {
      return f();
    } catch (...) {
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }
  static Connection& Self(void* self) {
    return *static_cast<Connection*>(self);
  }

  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame,
                          void* self) {
    return Guarded([&] {
      if (frame->hd.type == NGHTTP2_HEADERS &&
          frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        Self(self).OnBeginHeaders(frame->hd.stream_id);
      }
      return 0;
    });
  }
  static int Header(nghttp2_session*, const nghttp2_frame* frame,
                    const uint8_t* name, size_t name_size, const uint8_t* value,
                    size_t value_size, uint8_t, void* self) {
    return Guarded([&] {
      Call* const call = Self(self).Find(frame->hd.stream_id);
      if (call != nullptr && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        call->OnHeader(View(name, name_size), View(value, value_size));
      }
      return 0;
    });
  }
  static int Frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    return Guarded([&] {
      Self(self).OnFrame(*frame);
      return 0;
    });
  }
  static int Data(nghttp2_session* session, uint8_t, int32_t id,
                  const uint8_t* bytes, size_t size, void* self) {
    return Guarded([&] {
      nghttp2_session_consume_connection(session, size);
      if (Call* const call = Self(self).Find(id)) {
        call->OnData(View(bytes, size));
      }
      return 0;
    });
  }
  static int StreamClosed(nghttp2_session*, int32_t id, uint32_t, void* self) {
    return Guarded([&] {
      Self(self).OnStreamClosed(id);
      return 0;
    });
  }
  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame,
                       void* self) {
    return Guarded([&] { return Self(self).OnFrameSent(*frame); });
  }
  static ssize_t Send(nghttp2_session*, const uint8_t* bytes, size_t size, int,
                      void* self) {
    Connection& connection = Self(self);
    if (connection.out_.size() > kMostOut) return NGHTTP2_ERR_WOULDBLOCK;
    const int error = Guarded([&] {
      connection.out_.Append(View(bytes, size));
      return 0;
    });
    return error != 0 ? error : static_cast<ssize_t>(size);
  }
  static int SendData(nghttp2_session*, nghttp2_frame* frame,
                      const uint8_t* head, size_t size, nghttp2_data_source*,
                      void* self) {
    constexpr size_t kFrameHead = 9;
    Connection& connection = Self(self);
    if (connection.out_.size() > kMostOut) return NGHTTP2_ERR_WOULDBLOCK;
    return Guarded([&]() -> int {
      Call* const call = connection.Find(frame->hd.stream_id);
      if (call == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      connection.out_.Append(View(head, kFrameHead));
      call->MoveTo(size, &connection.out_);
      return 0;
    });
  }
  static ssize_t ReadLength(nghttp2_session*, uint8_t, int32_t, int32_t window,
                            int32_t stream_window, uint32_t frame, void*) {
    return std::min({static_cast<int64_t>(window),
                     static_cast<int64_t>(stream_window),
                     static_cast<int64_t>(frame), int64_t{kFrame}});
  }
};

void Connection::SetCallbacks(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      callbacks, Callbacks::BeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks,
                                                   Callbacks::Header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                       Callbacks::Frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                            Callbacks::Data);
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, Callbacks::StreamClosed);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks,
                                                       Callbacks::FrameSent);
  nghttp2_session_callbacks_set_send_callback(callbacks, Callbacks::Send);
  nghttp2_session_callbacks_set_send_data_callback(callbacks,
                                                   Callbacks::SendData);
  nghttp2_session_callbacks_set_data_source_read_length_callback(
      callbacks, Callbacks::ReadLength);
}

}  // namespace grpc
