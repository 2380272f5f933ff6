// The backend of Paddle models: the only part of the server that knows an
// engine.
#ifndef CC_SERVER_PADDLE_BACKEND_H_
#define CC_SERVER_PADDLE_BACKEND_H_

#include <string>

#include "cc/server/backend.h"

namespace server {

// Loads a directory with model.pdmodel and model.pdiparams; `instances` share
// the weights and compute with `threads` threads each.
ModelLoader PaddleLoader(int instances, int threads);

// "2.6.2"
std::string PaddleVersion();

}  // namespace server

#endif  // CC_SERVER_PADDLE_BACKEND_H_
