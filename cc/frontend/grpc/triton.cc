#include "cc/frontend/grpc/triton.h"

#include <chrono>
#include <cstdint>

#include "cc/base/data_type.h"
#include "cc/base/tensor_spec.h"
#include "cc/base/wire.h"
#include "cc/infer/statistics.h"

namespace grpc {
namespace {

using base::DataType;

// DataType of Triton's model_config.proto.
uint64_t ConfigType(DataType type) {
  switch (type) {
    case DataType::kBool:
      return 1;
    case DataType::kUint8:
      return 2;
    case DataType::kUint16:
      return 3;
    case DataType::kUint32:
      return 4;
    case DataType::kUint64:
      return 5;
    case DataType::kInt8:
      return 6;
    case DataType::kInt16:
      return 7;
    case DataType::kInt32:
      return 8;
    case DataType::kInt64:
      return 9;
    case DataType::kFloat16:
      return 10;
    case DataType::kFloat32:
      return 11;
    case DataType::kFloat64:
      return 12;
    case DataType::kBytes:
      return 13;
    case DataType::kBfloat16:
      return 14;
  }
  return 0;
}

// ModelInput or ModelOutput, which have their dimensions in different places.
std::string ConfigTensor(const base::TensorSpec& spec, uint32_t dims,
                         bool batches) {
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, spec.name);
  writer.Varint(2, ConfigType(spec.dtype));
  const size_t first = batches && !spec.shape.empty() ? 1 : 0;
  writer.Packed(dims, spec.shape.data() + first, spec.shape.size() - first);
  return out;
}

// StatisticDuration.
std::string Told(const infer::Duration& duration) {
  std::string out;
  wire::Writer writer(&out);
  writer.Varint(1, duration.count);
  writer.Varint(2, static_cast<uint64_t>(
                       std::chrono::nanoseconds(duration.total).count()));
  return out;
}

// ModelStatistics.
std::string StatisticsOf(const infer::Servable& servable) {
  const infer::Statistics& all = servable.statistics();
  std::string parts;
  {
    wire::Writer writer(&parts);
    writer.Message(1, Told(all.success));
    writer.Message(2, Told(all.failure));
    writer.Message(3, Told(all.queue));
    writer.Message(4, Told(all.decode));
    writer.Message(5, Told(all.compute));
    writer.Message(6, Told(all.encode));
  }
  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, servable.info().name);
  writer.Bytes(2, servable.info().version);
  writer.Varint(3, static_cast<uint64_t>(
                       std::chrono::duration_cast<std::chrono::milliseconds>(
                           all.last.time_since_epoch())
                           .count()));
  writer.Varint(4, all.rows);
  writer.Varint(5, all.runs);
  writer.Message(6, parts);
  for (const auto& [rows, compute] : all.batches) {
    std::string batch;
    wire::Writer(&batch).Varint(1, static_cast<uint64_t>(rows));
    wire::Writer(&batch).Message(3, Told(compute));
    writer.Message(7, batch);
  }
  return out;
}

}  // namespace

std::string EncodeModelConfig(const infer::ModelInfo& model) {
  const bool batches = model.max_batch_size > 0;
  std::string config;
  {
    wire::Writer writer(&config);
    writer.Bytes(1, model.name);
    writer.Bytes(2, model.platform);
    writer.Varint(4, static_cast<uint64_t>(model.max_batch_size));
    for (const base::TensorSpec& spec : model.inputs) {
      writer.Message(5, ConfigTensor(spec, 4, batches));
    }
    for (const base::TensorSpec& spec : model.outputs) {
      writer.Message(6, ConfigTensor(spec, 3, batches));
    }
    if (model.batching) writer.Message(11, "");
    writer.Bytes(17, "paddle");
  }
  std::string out;
  wire::Writer(&out).Message(1, config);
  return out;
}

std::string EncodeStatistics(
    const std::vector<std::shared_ptr<infer::Servable>>& models) {
  std::string out;
  for (const auto& model : models) {
    wire::Writer(&out).Message(1, StatisticsOf(*model));
  }
  return out;
}

absl::StatusOr<bool> DecodeIndexRequest(const absl::Cord& message) {
  wire::Reader reader(message);
  bool ready = false;
  while (reader.Next()) {
    if (reader.number() == 2) reader.Read(&ready);
  }
  if (!reader.status().ok()) return reader.status();
  return ready;
}

std::string EncodeIndex(const std::vector<infer::IndexEntry>& models,
                        bool ready_only) {
  std::string out;
  for (const infer::IndexEntry& model : models) {
    if (ready_only && model.state != infer::State::kReady) continue;
    std::string entry;
    wire::Writer writer(&entry);
    writer.Bytes(1, model.name);
    writer.Bytes(2, model.version);
    writer.Bytes(3, infer::NameOf(model.state));
    writer.Bytes(4, model.reason);
    wire::Writer(&out).Message(1, entry);
  }
  return out;
}

absl::StatusOr<std::string> DecodeControlRequest(const absl::Cord& message) {
  wire::Reader reader(message);
  std::string name;
  absl::Status parameters;
  while (reader.Next()) {
    if (reader.number() == 2) reader.Read(&name);
    absl::Cord entry;
    if (reader.number() != 3 || !reader.Read(&entry)) continue;
    wire::Reader field(entry);
    std::string key;
    while (field.Next()) {
      if (field.number() == 1) field.Read(&key);
    }
    if (!field.status().ok()) return field.status();
    parameters.Update(infer::CheckControlParameter(key));
  }
  if (!reader.status().ok()) return reader.status();
  if (!parameters.ok()) return parameters;
  return name;
}

}  // namespace grpc
