// A program (model.pdmodel), and what is made of it.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bazel/fuzz/check.h"
#include "cc/base/refusal_check.h"
#include "cc/base/text.h"
#include "cc/engine/program.h"
#include "cc/engine/signature_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(fuzz::Text(data, size));
  const absl::StatusOr<engine::Signature> signature =
      engine::ParseProgram(bytes);
  if (!signature.ok()) {
    base::CheckRefusal(
        signature.status(),
        {absl::StatusCode::kDataLoss, absl::StatusCode::kInvalidArgument});
    return 0;
  }
  engine::CheckSignature(*signature);
  for (const auto& [name, error] : signature->guarded.errors) {
    fuzz::Check(base::IsUtf8(error), "errors are text", error);
  }
  fuzz::Check(
      signature->guarded.program.empty() == signature->guarded.errors.empty(),
      "guards say what they mean");
  if (signature->guarded.program.empty()) return 0;
  const auto guarded = engine::ParseProgram(signature->guarded.program);
  fuzz::Check(guarded.ok(), "a guarded program is one",
              guarded.status().ToString());
  fuzz::Check(guarded->inputs.size() == signature->inputs.size() &&
                  guarded->outputs.size() == signature->outputs.size() &&
                  guarded->parameters.size() == signature->parameters.size(),
              "guards change nothing that is seen from outside");
  return 0;
}
