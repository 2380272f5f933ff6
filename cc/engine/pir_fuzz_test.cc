// A program in Paddle 3's own format (model.json).
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bazel/fuzz/check.h"
#include "cc/base/data_type.h"
#include "cc/base/refusal_check.h"
#include "cc/base/text.h"
#include "cc/base/values.h"
#include "cc/engine/pir.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string json(fuzz::Text(data, size));
  const absl::StatusOr<engine::Signature> signature = engine::ParsePir(json);
  if (!signature.ok()) {
    base::CheckRefusal(
        signature.status(),
        {absl::StatusCode::kDataLoss, absl::StatusCode::kInvalidArgument});
    return 0;
  }
  fuzz::Check(!signature->inputs.empty() && !signature->outputs.empty(),
              "a model has inputs and outputs");
  fuzz::Check(signature->shareable.size() == signature->inputs.size(),
              "of each input it is known whether it can be shared");
  fuzz::Check(signature->guarded.program.empty(), "nothing is guarded here");
  std::vector<base::TensorSpec> specs;
  for (const engine::NamedTensor& input : signature->inputs) {
    fuzz::Check(base::IsUtf8(input.name), "names are text", input.name);
    specs.push_back(
        {input.name, base::DataType::kInt64, input.desc.dims, input.lod_level});
  }
  for (const base::ValueCheck& check : signature->checks) {
    fuzz::Check(base::IsMeaningful(check, specs), "checks are of what there is",
                check.reason);
    fuzz::Check(base::IsUtf8(check.reason), "reasons are text", check.reason);
  }
  for (const auto& [name, parameter] : signature->parameters) {
    fuzz::Check(base::ProgramTypeOf(parameter.data_type) != nullptr,
                "parameters have element types", name);
  }
  return 0;
}
