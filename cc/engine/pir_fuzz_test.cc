// A program in Paddle 3's own format (model.json).
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bazel/fuzz/check.h"
#include "cc/base/data_type.h"
#include "cc/base/refusal_check.h"
#include "cc/base/text.h"
#include "cc/engine/pir.h"
#include "cc/engine/signature_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string json(fuzz::Text(data, size));
  const absl::StatusOr<engine::Signature> signature = engine::ParsePir(json);
  if (!signature.ok()) {
    base::CheckRefusal(
        signature.status(),
        {absl::StatusCode::kDataLoss, absl::StatusCode::kInvalidArgument});
    return 0;
  }
  engine::CheckSignature(*signature);
  fuzz::Check(signature->guarded.program.empty(), "nothing is guarded here");
  for (const engine::NamedTensor& input : signature->inputs) {
    fuzz::Check(base::IsUtf8(input.name), "names are text", input.name);
  }
  for (const auto& [name, parameter] : signature->parameters) {
    fuzz::Check(base::ProgramTypeOf(parameter.data_type) != nullptr,
                "parameters have element types", name);
  }
  return 0;
}
