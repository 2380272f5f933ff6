// The backend of Paddle models: the only part of the server that knows an
// engine.
#ifndef CC_SERVER_PADDLE_BACKEND_H_
#define CC_SERVER_PADDLE_BACKEND_H_

#include <string>
#include <vector>

#include "cc/server/backend.h"

namespace server {

struct PaddleOptions {
  // Of each model; they share its weights. At least one for each GPU.
  int instances = 1;
  int threads = 1;  // of each instance
  bool onednn = true;
  // The instances are spread over these; none: they run on the CPU.
  std::vector<int> gpus;
  int gpu_memory_mb = 100;  // of each GPU, at first
};

// Loads directories with model.pdmodel and model.pdiparams.
ModelLoader PaddleLoader(const PaddleOptions& options);

// "2.6.2"
std::string PaddleVersion();

// Whether this engine can use GPUs.
bool PaddleHasCuda();

}  // namespace server

#endif  // CC_SERVER_PADDLE_BACKEND_H_
