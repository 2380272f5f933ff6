#include "cc/engine/broadcasts.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace engine {
namespace {

constexpr int64_t kLastDimensions = -1;

std::optional<int64_t> RankOf(const std::vector<Block>& blocks,
                              const Block& block, const Operator& op,
                              const std::string& parameter) {
  if (!IsGiven(op, parameter)) return std::nullopt;
  const Variable* const variable =
      FindVariable(blocks, block, op.inputs.at(parameter).front());
  if (variable == nullptr || !variable->tensor) return std::nullopt;
  return static_cast<int64_t>(variable->tensor->dims.size());
}

}  // namespace

absl::Status CheckBroadcasts(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    for (const Operator& op : block.operators) {
      if (!absl::StartsWith(op.type, "elementwise_")) continue;
      const int64_t axis = NumberOf(op, "axis", kLastDimensions);
      const std::optional<int64_t> x = RankOf(blocks, block, op, "X");
      const std::optional<int64_t> y = RankOf(blocks, block, op, "Y");
      if (axis == kLastDimensions || !x || !y) continue;
      // Of equal rank, Paddle asks no more than that there is such a dimension.
      const int64_t room = *x == *y ? *x - 1 : std::abs(*x - *y);
      if (axis < kLastDimensions || axis > std::max<int64_t>(room, 0)) {
        return absl::DataLossError(
            absl::StrCat("operator ", op.type, " has the axis ", axis,
                         " for tensors of ", *x, " and ", *y, " dimensions"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace engine
