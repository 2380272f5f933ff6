#include "cc/frontend/rest/triton.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/base/data_type.h"
#include "cc/base/json.h"
#include "cc/base/tensor_spec.h"
#include "cc/base/text.h"
#include "cc/frontend/rest/json_reader.h"
#include "cc/frontend/rest/json_text.h"
#include "cc/infer/repository.h"
#include "cc/infer/statistics.h"

namespace rest {
namespace {

using infer::Duration;
using infer::Statistics;

std::string Quoted(absl::string_view text) {
  std::string out;
  base::AppendJsonString(text, &out);
  return out;
}

// "TYPE_FP32", of model_config.proto's DataType.
std::string ConfigType(base::DataType type) {
  return type == base::DataType::kBytes
             ? "TYPE_STRING"
             : absl::StrCat("TYPE_", base::NameOf(type));
}

std::string ConfigTensors(const std::vector<base::TensorSpec>& specs,
                          bool batches) {
  std::string out = "[";
  for (const base::TensorSpec& spec : specs) {
    std::vector<int64_t> dims = spec.shape;
    if (batches && !dims.empty()) dims.erase(dims.begin());
    absl::StrAppend(&out, out.size() > 1 ? "," : "",
                    "{\"name\":", Quoted(spec.name), ",\"data_type\":\"",
                    ConfigType(spec.dtype),
                    "\",\"dims\":", base::ShapeText(dims), "}");
  }
  return out + "]";
}

std::string Told(const Duration& duration) {
  const auto ns = std::chrono::nanoseconds(duration.total).count();
  return absl::StrCat("{\"count\":", duration.count, ",\"ns\":", ns, "}");
}

std::string StatisticsOf(const infer::Servable& servable) {
  const Statistics& all = servable.statistics();
  const auto last = std::chrono::duration_cast<std::chrono::milliseconds>(
                        all.last.time_since_epoch())
                        .count();
  std::string batches = "[";
  for (const auto& [rows, compute] : all.batches) {
    absl::StrAppend(&batches, batches.size() > 1 ? "," : "",
                    "{\"batch_size\":", rows,
                    ",\"compute_infer\":", Told(compute), "}");
  }
  return absl::StrCat(
      "{\"name\":", Quoted(servable.info().name),
      ",\"version\":", Quoted(servable.info().version),
      ",\"last_inference\":", last, ",\"inference_count\":", all.rows,
      ",\"execution_count\":", all.runs,
      ",\"inference_stats\":{\"success\":", Told(all.success),
      ",\"fail\":", Told(all.failure), ",\"queue\":", Told(all.queue),
      ",\"compute_input\":", Told(all.decode),
      ",\"compute_infer\":", Told(all.compute),
      ",\"compute_output\":", Told(all.encode), "},\"batch_stats\":", batches,
      "]}");
}

}  // namespace

std::string EncodeModelConfig(const infer::ModelInfo& model) {
  const bool batches = model.max_batch_size > 0;
  return absl::StrCat(
      "{\"name\":", Quoted(model.name),
      ",\"platform\":", Quoted(model.platform),
      ",\"backend\":\"paddle\",\"max_batch_size\":", model.max_batch_size,
      ",\"input\":", ConfigTensors(model.inputs, batches),
      ",\"output\":", ConfigTensors(model.outputs, batches),
      model.batching ? ",\"dynamic_batching\":{}" : "", "}");
}

std::string EncodeStatistics(
    const std::vector<std::shared_ptr<infer::Servable>>& models) {
  std::string out = "{\"model_stats\":[";
  for (const auto& model : models) {
    absl::StrAppend(&out, &model != &models.front() ? "," : "",
                    StatisticsOf(*model));
  }
  return out + "]}";
}

absl::Status CheckControlRequest(const absl::Cord& body) {
  if (body.empty()) return absl::OkStatus();
  static constexpr std::array<absl::string_view, 1> kNames = {"parameters"};
  const JsonText text(body, body.size(), false);
  return ParseObject(text.view(), [](json::object root) {
    return ReadFields(root, kNames, [](size_t, json::value value) {
      json::object parameters;
      if (absl::Status status = Get(value, "parameters", "object", &parameters);
          !status.ok()) {
        return status;
      }
      for (auto field : parameters) {
        std::string_view key;
        if (const auto error = field.unescaped_key().get(key)) {
          return Malformed(error);
        }
        json::value ignored;
        if (const auto error = field.value().get(ignored)) {
          return Malformed(error);
        }
        absl::Status status = PassOver(ignored);
        if (status.ok()) {
          status = infer::CheckControlParameter({key.data(), key.size()});
        }
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    });
  });
}

}  // namespace rest
