// Requests to measure a model with.
#ifndef CC_TUNE_REQUESTS_H_
#define CC_TUNE_REQUESTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "cc/infer/call.h"
#include "cc/infer/servable.h"

namespace tune {

// Sizes by input: all dimensions of the input, -1 where its rows are counted.
using Shapes = std::map<std::string, std::vector<int64_t>>;

class Requests {
 public:
  // Of a request whose rows are taken one after the other, again and again, or,
  // without one, of made-up values within the inputs' ranges. Of an input that
  // holds sequences (LoD) the first number of its shape is the length of one.
  // INVALID_ARGUMENT: a dimension is open, and `shapes` says nothing of it; a
  // shape that the model does not have; values that it does not bear.
  static absl::StatusOr<Requests> Make(
      const infer::ModelInfo& model, const Shapes& shapes,
      const std::optional<infer::Request>& given);

  // Whether requests may have any number of rows, or sequences; else there is
  // one that is as it is.
  bool counts() const { return counts_; }
  // Whether those are rows, each with its own part of the outputs.
  bool divides() const { return counts_ && !sequences_; }

  // Rows [first, first + count), or sequences; where nothing counts, request
  // `first`.
  infer::Request Of(int64_t first, int64_t count) const;

 private:
  struct Input {
    base::TensorSpec spec;         // with sizes: -1 only where rows are counted
    std::vector<absl::Cord> rows;  // given ones
    int64_t length = 1;            // of a sequence
    size_t elements = 1;           // of a row or sequence
  };

  std::vector<Input> inputs_;
  std::optional<infer::Request> whole_;  // given, and not to be cut
  bool counts_ = false;
  bool sequences_ = false;
};

}  // namespace tune

#endif  // CC_TUNE_REQUESTS_H_
