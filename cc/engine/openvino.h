// OpenVINO inside Paddle 3, and what keeps its users from what it does not
// bear (docs/engine.md, "OpenVINO").
//
// Paddle makes one operator of the whole network. Of the models of a process it
// keeps what OpenVINO has compiled in one table that nothing is ever taken out
// of, with one request each, which all clones of a predictor share. So
//
// - two clones that run at the same time disturb each other. One run at a time
//   is let in.
// - OpenVINO's errors are caught and logged by Paddle, and the run before
//   answers: a run is held to the number of errors in the log.
// - entries are found by the names in the network, in an order that memory
//   gives. A second model with the same names could replace, and destroy, what
//   the first one computes with. It is refused.
#ifndef CC_ENGINE_OPENVINO_H_
#define CC_ENGINE_OPENVINO_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/cpu_engine.h"
#include "cc/engine/model_files.h"
#include "cc/engine/program.h"
#include "paddle_inference_api.h"

namespace engine {

// FAILED_PRECONDITION: this machine does not compute with numbers of that kind.
absl::Status CheckCpuFor(base::CpuEngine cpu_engine);

// INVALID_ARGUMENT: a model that OpenVINO cannot be given, or that loses there
// what //cc/engine promises.
absl::Status CheckForOpenVino(const ModelFiles& files);

// A network's place among those that OpenVINO has in this process.
class OpenVinoPlace {
 public:
  // FAILED_PRECONDITION: another one of the same names has it.
  static absl::StatusOr<std::shared_ptr<OpenVinoPlace>> Take(
      const Signature& signature);

  explicit OpenVinoPlace(std::string names) : names_(std::move(names)) {}
  OpenVinoPlace(const OpenVinoPlace&) = delete;
  OpenVinoPlace& operator=(const OpenVinoPlace&) = delete;
  ~OpenVinoPlace();

 private:
  const std::string names_;
};

// `cpu_engine` is one of the two.
void EnableOpenVino(base::CpuEngine cpu_engine, paddle_infer::Config* config);

// Opens a predictor of a config that says OpenVINO, and throws where that does
// not take the model.
std::shared_ptr<paddle_infer::Predictor> CreateOpenVinoPredictor(
    const paddle_infer::Config& config);

// Calls `run`, when no other one is called, and throws if OpenVINO has failed
// in it. Returns what it returns.
bool RunOpenVino(const std::function<bool()>& run);

}  // namespace engine

#endif  // CC_ENGINE_OPENVINO_H_
