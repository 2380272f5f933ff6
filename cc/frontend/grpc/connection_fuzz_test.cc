// What a client sends on a connection, to the service behind it.
//
// What begins with "PRI" is the stream of bytes as it is. All else is HTTP/2
// without what a mutation would break first: the client's preface and settings
// are put before it, and each frame is a byte each for type, flags, stream and
// length, and so many bytes; from the type's bit 7 on the length is in KiB, the
// bytes are repeated. A type of 0x7f is a turn of the model, which answers.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/byte_budget.h"
#include "cc/base/log.h"
#include "cc/base/loop.h"
#include "cc/base/metrics.h"
#include "cc/frontend/grpc/link.h"
#include "cc/frontend/grpc/service.h"
#include "cc/infer/core.h"
#include "cc/infer/fake_servable.h"

namespace grpc {
namespace {

constexpr uint8_t kTurn = 0x7f;
enum FrameType : uint8_t { kData = 0, kHeaders = 1, kReset = 3, kLast = 9 };
constexpr uint8_t kEndStream = 1;

// All but the connection, for every input: it takes longer to make.
struct Server {
  Server() {
    repository.Add(model);
    shared.handler = &service;
  }
  base::Loop loop;
  base::ByteBudget budget{8 << 20};
  base::Registry registry;
  infer::FakeRepository repository;
  std::shared_ptr<infer::FakeServable> model =
      std::make_shared<infer::FakeServable>(infer::FakeInfo("m", "1"));
  infer::Core core{&repository, &registry, &budget, {/*model_control=*/true}};
  Service service{&loop, &core, {"server", "1"}};
  Shared shared{&loop, &budget, {/*message_bytes=*/1 << 20, /*streams=*/8}, {}};
};

// What the client gets must be HTTP/2, as far as it has come: whole frames but
// for the last, and nothing on a stream that has ended.
void CheckAnswer(absl::string_view bytes, bool whole) {
  std::map<uint32_t, bool> ended;
  while (bytes.size() >= kFrameHead && !absl::StartsWith(bytes, "HTTP/1.1")) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
    const size_t size =
        static_cast<size_t>(byte(0)) << 16 | byte(1) << 8 | byte(2);
    const uint8_t type = byte(3);
    const uint32_t stream = static_cast<uint32_t>(byte(5) & 0x7f) << 24 |
                            static_cast<uint32_t>(byte(6)) << 16 |
                            static_cast<uint32_t>(byte(7)) << 8 | byte(8);
    fuzz::Check(type <= kLast, "frames are of a type", absl::StrCat(type));
    if (type == kData || type == kHeaders) {
      fuzz::Check(stream % 2 == 1, "answers are on a client's stream",
                  absl::StrCat(stream));
      fuzz::Check(!ended[stream], "nothing follows the end",
                  absl::StrCat(stream));
      ended[stream] = (byte(4) & kEndStream) != 0;
    } else if (type == kReset) {
      ended[stream] = true;
    }
    if (bytes.size() < kFrameHead + size) break;
    bytes.remove_prefix(kFrameHead + size);
  }
  fuzz::Check(!whole || bytes.empty() || absl::StartsWith(bytes, "HTTP/1.1"),
              "frames are whole", absl::StrCat(bytes.size()));
}

void Serve(absl::string_view text, Server* server) {
  std::string answer;
  bool closed = false;
  {
    Link link(&server->shared);
    const auto serve = [&] {
      Turn(&server->loop);
      server->model->RunAll();
      while (!server->repository.loads().empty()) {
        server->repository.FinishLoad(absl::OkStatus());
      }
      Turn(&server->loop);
      answer += link.Read();
    };
    if (absl::StartsWith(text, "PRI")) {
      for (const auto piece : fuzz::Pieces(text, 0, 2000)) {
        if (!link.Write(piece)) break;
        serve();
      }
    } else {
      link.Write(absl::StrCat(kPreface, Frame(4, 0, 0, "")));
      while (text.size() >= 4) {
        const auto type = static_cast<uint8_t>(text[0]);
        const auto flags = static_cast<uint8_t>(text[1]);
        const auto stream = static_cast<uint8_t>(text[2]);
        const size_t size = static_cast<uint8_t>(text[3]);
        text.remove_prefix(4);
        if (type == kTurn) {
          serve();
          continue;
        }
        std::string payload(text.substr(0, std::min<size_t>(size, 255)));
        text.remove_prefix(payload.size());
        if ((type & 0x80) != 0 && !payload.empty()) {
          const std::string part = payload;
          while (payload.size() < std::min<size_t>(size << 6, 16 << 10)) {
            payload += part;
          }
          payload.resize(std::min<size_t>(payload.size(), 16 << 10));
        }
        if (!link.Write(Frame(type & 0x7f, flags, stream, payload))) break;
      }
    }
    serve();
    link.Shut();
    serve();
    closed = link.closed();
  }
  server->model->RunAll();  // of calls that are gone
  // What a thread decompresses for them, it gives up.
  for (int i = 0; i < 10'000 && server->budget.held() > 0; ++i) {
    usleep(100);
    Turn(&server->loop);
  }
  CheckAnswer(answer, !closed);
  fuzz::Check(server->budget.held() == 0, "all is given back",
              absl::StrCat(server->budget.held()));
}

}  // namespace
}  // namespace grpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const server = [] {
    base::SetLogLevel(base::LogLevel::kError);
    return new grpc::Server;
  }();
  grpc::Serve(fuzz::Text(data, size), server);
  return 0;
}
