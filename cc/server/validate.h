// Checks a decoded request against the model it is for.
#ifndef CC_SERVER_VALIDATE_H_
#define CC_SERVER_VALIDATE_H_

#include "absl/status/status.h"
#include "cc/server/protocol.h"

namespace server {

// INVALID_ARGUMENT, saying what the model wants, for an input that is
// unknown, missing, given twice, or of another type or shape, and for an
// output that is unknown or asked for twice.
absl::Status ValidateRequest(const ModelInfo& model,
                             const InferRequest& request);

}  // namespace server

#endif  // CC_SERVER_VALIDATE_H_
