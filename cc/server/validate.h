// Checks a decoded request against the model it is for.
#ifndef CC_SERVER_VALIDATE_H_
#define CC_SERVER_VALIDATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "cc/server/protocol.h"

namespace server {

// INVALID_ARGUMENT, saying what the model wants, for an input that is
// unknown, missing, given twice, or of another type, shape or offsets (LoD),
// and for an output that is unknown or asked for twice.
absl::Status ValidateRequest(const ModelInfo& model,
                             const InferRequest& request);

// INVALID_ARGUMENT for a valid request with an input of more rows, where the
// model leaves their number (the first dimension) open.
absl::Status ValidateBatch(const ModelInfo& model, const InferRequest& request,
                           int64_t max_batch_size);

}  // namespace server

#endif  // CC_SERVER_VALIDATE_H_
