// One input of a request: JSON -> infer::Tensor.
#ifndef CC_FRONTEND_REST_INPUT_READER_H_
#define CC_FRONTEND_REST_INPUT_READER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/byte_budget.h"
#include "cc/base/tensor_spec.h"
#include "cc/frontend/rest/json_reader.h"
#include "cc/infer/servable.h"
#include "cc/infer/tensor.h"

namespace rest {

struct TensorParameters {
  std::optional<uint64_t> binary_size;
  std::optional<bool> binary;
  std::optional<base::Lod> lod;
};

// Reads the parameters of an input or output. Those that ask for what this
// server cannot do are refused: ignoring them would answer another question.
absl::Status ReadParameters(json::value value, TensorParameters* result);

// Reads an input, field by field as they come.
class InputReader {
 public:
  // `text_bytes`: of the JSON. `inputs`: all, this one the last.
  InputReader(const infer::ModelInfo& model,
              const std::vector<infer::Tensor>& inputs,
              const absl::Cord& binary, size_t text_bytes,
              base::ByteBudget* budget)
      : model_(model),
        inputs_(inputs),
        binary_(binary),
        text_bytes_(text_bytes),
        budget_(budget) {}

  // `binary_at` is where the input's part of the binary data begins, and then
  // where it has ended.
  absl::Status Read(json::value value, size_t* binary_at,
                    infer::Tensor* tensor);

 private:
  enum Field { kName, kDataType, kShape, kParameters, kData };
  static constexpr std::array<absl::string_view, 5> kNames = {
      "name", "datatype", "shape", "parameters", "data"};

  absl::Status ReadField(size_t i, json::value value, infer::Tensor* tensor);
  absl::Status ReadDataType(json::value value, infer::Tensor* tensor);
  absl::Status ReadData(json::value value, infer::Tensor* tensor);
  absl::Status ReadLateData(infer::Tensor* tensor);
  absl::Status CheckHead(const infer::Tensor& tensor) const;
  absl::Status TakeBinary(size_t* at, infer::Tensor* tensor) const;

  bool Has(Field field) const { return (seen_ & (1u << field)) != 0; }
  bool HasHead() const { return Has(kName) && Has(kDataType) && Has(kShape); }

  const infer::ModelInfo& model_;
  const std::vector<infer::Tensor>& inputs_;
  const absl::Cord& binary_;
  const size_t text_bytes_;
  base::ByteBudget* const budget_;
  uint32_t seen_ = 0;
  TensorParameters parameters_;
  // Data that came before what it is said to be. It lies in the text.
  std::optional<std::string_view> late_data_;
};

}  // namespace rest

#endif  // CC_FRONTEND_REST_INPUT_READER_H_
