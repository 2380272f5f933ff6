// Requests to a model with inputs of every type, for the fuzz targets of the
// protocols.
#ifndef CC_INFER_FUZZ_REQUESTS_H_
#define CC_INFER_FUZZ_REQUESTS_H_

#include <cstddef>
#include <vector>

#include "bazel/fuzz/check.h"
#include "cc/base/data_type.h"
#include "cc/infer/servable.h"
#include "cc/infer/validate.h"

namespace infer {

// An input of every type, by its name; two with offsets, of one level and of
// two. All are outputs too.
inline const ModelInfo& ModelOfEveryType() {
  static const auto* const model = [] {
    using base::DataType;
    auto* info = new ModelInfo;
    info->name = "m";
    info->version = "1";
    for (const DataType type :
         {DataType::kBool, DataType::kUint8, DataType::kUint16,
          DataType::kUint32, DataType::kUint64, DataType::kInt8,
          DataType::kInt16, DataType::kInt32, DataType::kInt64,
          DataType::kFloat16, DataType::kFloat32, DataType::kFloat64,
          DataType::kBfloat16, DataType::kBytes}) {
      info->inputs.push_back({base::NameOf(type), type, {-1, 2}});
    }
    info->inputs.push_back({"words", DataType::kInt64, {-1, 1}, 1});
    info->inputs.push_back({"nested", DataType::kFloat32, {-1, 1}, 2});
    info->outputs = info->inputs;
    info->max_batch_size = 64;
    return info;
  }();
  return *model;
}

// The same with the inputs of these tensors alone, in their order.
inline ModelInfo ModelOf(const std::vector<Tensor>& tensors) {
  ModelInfo model = ModelOfEveryType();
  model.inputs.clear();
  for (const Tensor& tensor : tensors) {
    model.inputs.push_back(*Find(ModelOfEveryType().inputs, tensor.name));
  }
  return model;
}

// That they ask for the same: id, outputs and inputs.
inline void CheckSame(const Request& a, const Request& b) {
  fuzz::Check(a.id == b.id && a.outputs == b.outputs &&
                  a.inputs.size() == b.inputs.size(),
              "the same request");
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    const Tensor& x = a.inputs[i];
    const Tensor& y = b.inputs[i];
    fuzz::Check(x.name == y.name && x.dtype == y.dtype && x.shape == y.shape &&
                    x.lod == y.lod && x.data == y.data,
                "the same tensor", x.name);
  }
}

}  // namespace infer

#endif  // CC_INFER_FUZZ_REQUESTS_H_
