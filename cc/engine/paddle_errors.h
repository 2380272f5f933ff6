// What Paddle throws, as statuses.
#ifndef CC_ENGINE_PADDLE_ERRORS_H_
#define CC_ENGINE_PADDLE_ERRORS_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"

namespace engine {

// Calls f and turns what it throws into a status. `blame`: the code for errors
// that Paddle ascribes to what it was given. `guards`: Guarded::errors, those
// of the program's operators that mean INVALID_ARGUMENT.
absl::Status Catch(const std::string& action, absl::StatusCode blame,
                   const std::map<std::string, std::string>& guards,
                   const std::function<void()>& f);

}  // namespace engine

#endif  // CC_ENGINE_PADDLE_ERRORS_H_
