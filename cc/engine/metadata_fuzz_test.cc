// metadata.json beside a model.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bazel/fuzz/check.h"
#include "cc/base/refusal_check.h"
#include "cc/engine/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::Text(data, size));
  engine::TensorSpec ids{"ids", engine::DataType::kInt64, {-1}};
  ids.range = {0, 999, "row of an embedding table"};
  std::vector<engine::TensorSpec> inputs = {
      {"x", engine::DataType::kFloat32, {-1}},
      ids,
      {"n", engine::DataType::kInt64, {-1}}};
  const absl::Status status = engine::NarrowRanges(text, &inputs);
  fuzz::Check(inputs.size() == 3 && inputs[1].range &&
                  inputs[1].range->min >= 0 && inputs[1].range->max <= 999,
              "a range becomes no wider");
  if (status.ok()) return 0;
  base::CheckRefusal(status, {absl::StatusCode::kDataLoss,
                              absl::StatusCode::kInvalidArgument});
  return 0;
}
