// What a worker does: loads one model and runs what the server sends.
#ifndef CC_WORKER_RUNNER_H_
#define CC_WORKER_RUNNER_H_

#include <vector>

#include "cc/worker/channel.h"

namespace worker {

// Until the server closes `control`. Returns the process's exit code.
int RunModel(Channel control, std::vector<Channel> slots);

}  // namespace worker

#endif  // CC_WORKER_RUNNER_H_
