// What the extension modules share: Python's exceptions for the C++ code's
// errors, and NumPy's types for its types.
#ifndef CC_BINDINGS_NUMPY_H_
#define CC_BINDINGS_NUMPY_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cc/base/data_type.h"
#include "pybind11/numpy.h"
#include "pybind11/pybind11.h"

namespace bindings {

[[noreturn]] inline void Raise(PyObject* type, const std::string& message) {
  PyErr_SetString(type, message.c_str());
  throw pybind11::error_already_set();
}

// `engine_error`: for what is neither a wrong argument nor a missing file.
[[noreturn]] inline void Raise(const absl::Status& status,
                               PyObject* engine_error) {
  const std::string message(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      Raise(PyExc_ValueError, message);
    case absl::StatusCode::kNotFound:
      Raise(PyExc_FileNotFoundError, message);
    default:
      Raise(engine_error, message);
  }
}

inline std::optional<base::DataType> FromNumpy(const pybind11::dtype& dtype) {
  if (dtype.byteorder() != '=' && dtype.byteorder() != '|') return std::nullopt;
  return base::DataTypeOfNumpy(
      absl::StrCat(std::string(1, dtype.kind()), dtype.itemsize()));
}

}  // namespace bindings

#endif  // CC_BINDINGS_NUMPY_H_
