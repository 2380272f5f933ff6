// What holds of every program that is taken, in whichever format: for fuzz
// tests.
#ifndef CC_ENGINE_SIGNATURE_CHECK_H_
#define CC_ENGINE_SIGNATURE_CHECK_H_

#include <vector>

#include "bazel/fuzz/check.h"
#include "cc/base/data_type.h"
#include "cc/base/tensor_spec.h"
#include "cc/base/text.h"
#include "cc/base/values.h"
#include "cc/engine/program.h"

namespace engine {

inline void CheckSignature(const Signature& signature) {
  fuzz::Check(!signature.inputs.empty() && !signature.outputs.empty(),
              "a model has inputs and outputs");
  fuzz::Check(signature.shareable.size() == signature.inputs.size(),
              "of each input it is known whether it can be shared");
  std::vector<base::TensorSpec> specs;
  for (const NamedTensor& input : signature.inputs) {
    specs.push_back(
        {input.name, base::DataType::kInt64, input.desc.dims, input.lod_level});
  }
  for (const base::ValueCheck& check : signature.checks) {
    fuzz::Check(base::IsMeaningful(check, specs), "checks are of what there is",
                check.reason);
    fuzz::Check(base::IsUtf8(check.reason), "reasons are text", check.reason);
  }
}

}  // namespace engine

#endif  // CC_ENGINE_SIGNATURE_CHECK_H_
