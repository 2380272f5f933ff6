// Tensors as .npy files, NumPy's format for one array.
#ifndef CC_ENGINE_NPY_H_
#define CC_ENGINE_NPY_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/engine/tensor.h"

namespace engine {

// Reads the bytes of a .npy file of format 1.0 or 2.0. The name of the tensor
// stays empty: the format has none. INVALID_ARGUMENT says what is wrong, or
// what to do in NumPy where the array is in Fortran order, big-endian, or of a
// type that tensors do not have.
absl::StatusOr<Tensor> ReadNpy(std::string_view bytes);

// The bytes that numpy.save writes for the same array (format 1.0).
std::string WriteNpy(const Tensor& tensor);

// Offsets of sequences (LoD) lie beside a tensor's file, those of x.npy in
// x.lod.npy: INT64 of one dimension, one level. Sets tensor->lod, where there
// is such a file. INVALID_ARGUMENT says what is wrong with it.
absl::Status ReadLod(const std::string& tensor_path, Tensor* tensor);

// Writes that file for a tensor with offsets. UNIMPLEMENTED for more levels
// than one, INVALID_ARGUMENT if tensor_path does not end in .npy, UNKNOWN if
// the file cannot be written.
absl::Status WriteLod(const std::string& tensor_path, const Tensor& tensor);

}  // namespace engine

#endif  // CC_ENGINE_NPY_H_
