// The flags of `serve`.
#ifndef CC_SERVER_SERVE_FLAGS_H_
#define CC_SERVER_SERVE_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "cc/base/log.h"
#include "cc/frontend/grpc/server.h"
#include "cc/frontend/http/server.h"
#include "cc/infer/core.h"
#include "cc/infer/model_directory.h"
#include "cc/ocr/reader.h"
#include "cc/server/device.h"
#include "cc/server/listen_flags.h"
#include "cc/server/model_flags.h"
#include "cc/server/ocr_flags.h"
#include "cc/worker/process.h"

namespace server {

struct ServeFlags {
  // What is served.
  std::string model_repository = "/models";
  std::string model_name;
  int64_t latest_versions = 0;
  std::vector<std::string> model_versions;
  int64_t poll_ms = 0;
  bool exit_on_error = true;
  bool model_control = false;
  OcrFlags ocr;
  ListenFlags listen;
  std::optional<int64_t> grpc_port;
  // What computes, and what is computed together, where a model does not say
  // it itself.
  ModelFlags model;
  DeviceFlags device;
  int64_t worker_memory_mb = 0;
  int64_t run_timeout_ms = 60'000;
  int64_t release_after_ms = 10'000;
  // What waits.
  int64_t max_batch_delay_ms = 0;
  int64_t max_batch_size = 1024;
  int64_t max_queue = 256;
  int64_t max_queue_bytes = int64_t{256} << 20;
  int64_t queue_timeout_ms = 30'000;
  // What clients may send.
  int64_t max_request_bytes = 64 << 20;
  int64_t max_json_bytes = 8 << 20;
  int64_t max_inflight_bytes = int64_t{1} << 30;
  int64_t max_connections = 1024;
  int64_t idle_timeout_ms = 75'000;
  int64_t head_timeout_ms = 10'000;
  int64_t stall_timeout_ms = 10'000;
  int64_t min_bytes_per_second = 16 << 10;
  std::vector<std::string> cors_origins;
  // How it ends.
  int64_t drain_delay_ms = 0;
  int64_t drain_timeout_ms = 4000;
  // What is told of it.
  base::LogLevel log_level = base::LogLevel::kInfo;
  double access_log_sample = 1;
  std::string otlp_endpoint;
  double trace_sample = 1;

  void Register(CLI::App* app);

  http::Server::Options Http() const;
  // nullopt: gRPC is not served.
  std::optional<grpc::Server::Options> Grpc() const;
  infer::CoreOptions Core() const;
  // As OcrFlags::Options.
  absl::StatusOr<std::optional<ocr::ReaderOptions>> Ocr() const;
  infer::ModelOptions Model(const ModelFlags& own) const;
  // INVALID_ARGUMENT: --model_versions.
  absl::StatusOr<infer::DirectoryOptions> Directory() const;
  worker::ProcessOptions Workers(const Devices& devices) const;
};

}  // namespace server

#endif  // CC_SERVER_SERVE_FLAGS_H_
