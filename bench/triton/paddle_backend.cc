// A backend that runs Paddle models in Triton, as a peer for //bench:serving:
// one input and all outputs, all FP32. What Triton hands over together is
// gathered straight into the engine's input, so its dynamic batching costs one
// copy, as the request alone does.

#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/triton/backend_api.h"
#include "paddle_inference_api.h"

namespace {

struct Instance {
  std::shared_ptr<paddle_infer::Predictor> predictor;
  std::string input_name;
  std::unique_ptr<paddle_infer::Tensor> input;
  std::vector<std::unique_ptr<paddle_infer::Tensor>> outputs;
};

// One request while it is computed.
struct Work {
  TRITONBACKEND_Request* request = nullptr;
  TRITONBACKEND_Response* response = nullptr;
  TRITONBACKEND_Input* input = nullptr;
  int64_t rows = 0;
  uint32_t buffers = 0;
};

// When the steps of a batch began and ended, for Triton's statistics.
struct Times {
  uint64_t start = 0;
  uint64_t run = 0;
  uint64_t ran = 0;
  uint64_t end = 0;
};

uint64_t Now() {
  return static_cast<uint64_t>(
      std::chrono::steady_clock::now().time_since_epoch() /
      std::chrono::nanoseconds(1));
}

TRITONSERVER_Error* Internal(const std::string& message) {
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, message.c_str());
}

std::unique_ptr<Instance> Load(const std::string& folder) {
  paddle_infer::Config config(folder + "/model.pdmodel",
                              folder + "/model.pdiparams");
  config.DisableGlogInfo();
  config.SetCpuMathLibraryNumThreads(1);
  // As //cc/engine: dynamic batches come in 32 shapes, of which oneDNN would
  // keep ten.
  config.SetMkldnnCacheCapacity(1 << 20);
  auto instance = std::make_unique<Instance>();
  instance->predictor = paddle_infer::CreatePredictor(config);
  instance->input_name = instance->predictor->GetInputNames().at(0);
  instance->input = instance->predictor->GetInputHandle(instance->input_name);
  for (const std::string& name : instance->predictor->GetOutputNames()) {
    instance->outputs.push_back(instance->predictor->GetOutputHandle(name));
  }
  return instance;
}

// Finds a request's input and adds its rows to the batch's shape.
TRITONSERVER_Error* Open(const std::string& name, Work* work,
                         std::vector<int>* shape) {
  if (auto* error = TRITONBACKEND_RequestInput(work->request, name.c_str(),
                                               &work->input)) {
    return error;
  }
  const int64_t* own = nullptr;
  uint32_t dimensions = 0;
  if (auto* error =
          TRITONBACKEND_InputProperties(work->input, nullptr, nullptr, &own,
                                        &dimensions, nullptr, &work->buffers)) {
    return error;
  }
  work->rows = own[0];
  const int before = shape->empty() ? 0 : shape->front();
  shape->assign(own, own + dimensions);
  shape->front() += before;
  return nullptr;
}

TRITONSERVER_Error* CopyIn(const Work& work, char** to) {
  for (uint32_t index = 0; index < work.buffers; ++index) {
    const void* from = nullptr;
    uint64_t bytes = 0;
    auto memory = TRITONSERVER_MEMORY_CPU;
    int64_t device = 0;
    if (auto* error = TRITONBACKEND_InputBuffer(work.input, index, &from,
                                                &bytes, &memory, &device)) {
      return error;
    }
    std::memcpy(*to, from, bytes);
    *to += bytes;
  }
  return nullptr;
}

TRITONSERVER_Error* CopyOut(const Work& work, const std::string& name,
                            std::vector<int64_t> shape, size_t row_bytes,
                            const char** from) {
  shape[0] = work.rows;
  TRITONBACKEND_Output* output = nullptr;
  if (auto* error = TRITONBACKEND_ResponseOutput(
          work.response, &output, name.c_str(), TRITONSERVER_TYPE_FP32,
          shape.data(), static_cast<uint32_t>(shape.size()))) {
    return error;
  }
  void* to = nullptr;
  auto memory = TRITONSERVER_MEMORY_CPU;
  int64_t device = 0;
  const size_t bytes = row_bytes * static_cast<size_t>(work.rows);
  if (auto* error =
          TRITONBACKEND_OutputBuffer(output, &to, bytes, &memory, &device)) {
    return error;
  }
  std::memcpy(to, *from, bytes);
  *from += bytes;
  return nullptr;
}

// Computes all of them as one batch; an error in one is an error in all, which
// a benchmark can afford.
TRITONSERVER_Error* Compute(Instance* instance, std::vector<Work>* batch,
                            Times* times) {
  std::vector<int> shape;
  for (Work& work : *batch) {
    if (auto* error = Open(instance->input_name, &work, &shape)) return error;
  }
  instance->input->Reshape(shape);
  char* to = reinterpret_cast<char*>(
      instance->input->mutable_data<float>(paddle_infer::PlaceType::kCPU));
  for (const Work& work : *batch) {
    if (auto* error = CopyIn(work, &to)) return error;
  }
  times->run = Now();
  if (!instance->predictor->Run()) return Internal("the model did not run");
  times->ran = Now();
  for (const auto& output : instance->outputs) {
    const std::vector<int> whole = output->shape();
    paddle_infer::PlaceType place;
    int elements = 0;
    const char* from =
        reinterpret_cast<char*>(output->data<float>(&place, &elements));
    const size_t row_bytes = sizeof(float) * static_cast<size_t>(elements) /
                             static_cast<size_t>(whole[0]);
    for (const Work& work : *batch) {
      if (auto* error =
              CopyOut(work, output->name(), {whole.begin(), whole.end()},
                      row_bytes, &from)) {
        return error;
      }
    }
  }
  return nullptr;
}

TRITONSERVER_Error* ComputeWithoutExceptions(Instance* instance,
                                             std::vector<Work>* batch,
                                             Times* times) {
  try {
    return Compute(instance, batch, times);
  } catch (const std::exception& error) {
    return Internal(error.what());
  }
}

}  // namespace

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(
    TRITONBACKEND_ModelInstance* instance) {
  TRITONBACKEND_Model* model = nullptr;
  if (auto* error = TRITONBACKEND_ModelInstanceModel(instance, &model)) {
    return error;
  }
  auto type = TRITONBACKEND_ARTIFACT_FILESYSTEM;
  const char* location = nullptr;
  if (auto* error = TRITONBACKEND_ModelRepository(model, &type, &location)) {
    return error;
  }
  uint64_t version = 0;
  if (auto* error = TRITONBACKEND_ModelVersion(model, &version)) return error;
  try {
    auto state = Load(std::string(location) + "/" + std::to_string(version));
    return TRITONBACKEND_ModelInstanceSetState(instance, state.release());
  } catch (const std::exception& error) {
    return Internal(error.what());
  }
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(
    TRITONBACKEND_ModelInstance* instance) {
  void* state = nullptr;
  if (auto* error = TRITONBACKEND_ModelInstanceState(instance, &state)) {
    return error;
  }
  delete static_cast<Instance*>(state);
  return nullptr;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(
    TRITONBACKEND_ModelInstance* instance, TRITONBACKEND_Request** requests,
    const uint32_t count) {
  void* state = nullptr;
  if (auto* error = TRITONBACKEND_ModelInstanceState(instance, &state)) {
    return error;
  }
  Times times;
  times.start = times.run = times.ran = Now();
  std::vector<Work> batch(count);
  for (uint32_t index = 0; index < count; ++index) {
    batch[index].request = requests[index];
    if (auto* error = TRITONBACKEND_ResponseNew(&batch[index].response,
                                                requests[index])) {
      return error;  // nothing is taken over yet
    }
  }
  TRITONSERVER_Error* failed =
      ComputeWithoutExceptions(static_cast<Instance*>(state), &batch, &times);
  times.end = Now();
  uint64_t rows = 0;
  for (const Work& work : batch) {
    rows += static_cast<uint64_t>(work.rows);
    TRITONSERVER_Error* error =
        failed == nullptr ? nullptr : Internal("the batch failed");
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(
        work.response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error));
    TRITONSERVER_ErrorDelete(error);
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ModelInstanceReportStatistics(
        instance, work.request, failed == nullptr, times.start, times.run,
        times.ran, times.end));
    TRITONSERVER_ErrorDelete(TRITONBACKEND_RequestRelease(
        work.request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  if (failed == nullptr) {
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ModelInstanceReportBatchStatistics(
        instance, rows, times.start, times.run, times.ran, times.end));
  }
  TRITONSERVER_ErrorDelete(failed);
  return nullptr;
}
