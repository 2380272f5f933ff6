// The bytes of a .npy file.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bazel/fuzz/check.h"
#include "cc/base/refusal_check.h"
#include "cc/engine/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its size: reads beyond its end are seen.
  const std::string bytes(fuzz::Text(data, size));
  const absl::StatusOr<engine::Tensor> tensor = engine::ReadNpy(bytes);
  if (!tensor.ok()) {
    base::CheckRefusal(tensor.status(), {absl::StatusCode::kInvalidArgument});
    return 0;
  }
  fuzz::Check(tensor->data.size() <= bytes.size(), "elements are of the file");
  const std::string written = engine::WriteNpy(*tensor);
  const absl::StatusOr<engine::Tensor> again = engine::ReadNpy(written);
  fuzz::Check(again.ok(), "what is written can be read",
              again.status().ToString());
  fuzz::Check(again->dtype == tensor->dtype && again->shape == tensor->shape &&
                  again->data == tensor->data,
              "it is the same tensor", written);
  return 0;
}
