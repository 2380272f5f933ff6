// The backend of Paddle models: the only part of the server that knows an
// engine.
#ifndef CC_SERVER_PADDLE_BACKEND_H_
#define CC_SERVER_PADDLE_BACKEND_H_

#include <string>

#include "cc/server/backend.h"

namespace server {

struct PaddleOptions {
  int instances = 1;  // of each model; they share its weights
  int threads = 1;    // of each instance
  bool onednn = true;
};

// Loads directories with model.pdmodel and model.pdiparams.
ModelLoader PaddleLoader(const PaddleOptions& options);

// "2.6.2"
std::string PaddleVersion();

}  // namespace server

#endif  // CC_SERVER_PADDLE_BACKEND_H_
