// Tensors of requests <-> those of the batch that they are computed in.
#ifndef CC_INFER_BATCH_TENSORS_H_
#define CC_INFER_BATCH_TENSORS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "cc/base/tensor_spec.h"
#include "cc/infer/batcher.h"
#include "cc/infer/executor.h"
#include "cc/infer/tensor.h"

namespace infer {

// The inputs of a batch, in the order of `specs`: of each the requests' rows,
// one behind the other, their offsets (LoD) moved to where they lie, and the
// batch's padding.
std::vector<BatchInput> Gather(const std::vector<base::TensorSpec>& specs,
                               const Batch& batch);

// What the outputs of a batch, its padding included, are to each of its
// requests: its rows, or as many as it has sequences, of those that it asked
// for, in its order. INTERNAL where an output tells no such part.
std::vector<absl::StatusOr<std::vector<Tensor>>> Divide(
    const Batch& batch, std::vector<Tensor> outputs);

}  // namespace infer

#endif  // CC_INFER_BATCH_TENSORS_H_
