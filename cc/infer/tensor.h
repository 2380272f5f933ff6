// Tensors as protocols carry them.
#ifndef CC_INFER_TENSOR_H_
#define CC_INFER_TENSOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/data_type.h"
#include "cc/base/tensor_spec.h"

namespace infer {

struct Tensor {
  std::string name;
  base::DataType dtype = base::DataType::kFloat32;
  std::vector<int64_t> shape;
  // Elements in row-major order, each little-endian; BYTES as in data_type.h. A
  // cord adopts what others have read (absl::MakeCordFromExternal): the bytes
  // of a body become a tensor's without a copy.
  absl::Cord data;
  base::Lod lod = {};
};

// The tensor, or base::TensorSpec, of that name; nullptr: there is none.
template <typename T>
const T* Find(const std::vector<T>& tensors, absl::string_view name) {
  for (const T& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

}  // namespace infer

#endif  // CC_INFER_TENSOR_H_
