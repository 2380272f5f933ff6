// What the tests of the engine share: the trained model that they are given,
// and how they load and judge.
#ifndef CC_ENGINE_TEST_MAIN_H_
#define CC_ENGINE_TEST_MAIN_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/engine/engine.h"

namespace engine {

// Directory of the exported model //python/simple_cnn: 1x3x32x32 -> 10.
extern std::string* trained_model;

// A directory of the test's own; it need not be there yet.
std::string TempDir(const std::string& name);

absl::StatusOr<std::unique_ptr<Engine>> LoadFrom(const std::string& directory);

// Expects the code, and the part in the message.
void ExpectError(const absl::Status& status, absl::StatusCode code,
                 const std::string& part);

}  // namespace engine

#endif  // CC_ENGINE_TEST_MAIN_H_
