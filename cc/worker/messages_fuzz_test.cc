// What server and worker tell each other: each may have been damaged.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/worker/messages.h"

namespace worker {
namespace {

template <typename Message>
void CheckMessage(absl::string_view bytes) {
  Message message;
  if (!Decode(bytes, &message)) return;
  const std::string once = Encode(message);
  Message again;
  fuzz::Check(Decode(once, &again), "what is written can be read");
  fuzz::Check(Encode(again) == once, "it is the same message");
}

}  // namespace
}  // namespace worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(fuzz::Text(data, size));
  worker::CheckMessage<worker::LoadOptions>(bytes);
  worker::CheckMessage<worker::Loaded>(bytes);
  worker::CheckMessage<worker::Run>(bytes);
  worker::CheckMessage<worker::Ran>(bytes);
  return 0;
}
