// The server's core, free of any protocol's bytes: what a front end (rest.h)
// asks for models and their results.
#ifndef CC_SERVER_SERVICE_H_
#define CC_SERVER_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/server/metrics.h"
#include "cc/server/model_repository.h"
#include "cc/server/protocol.h"
#include "cc/server/scheduler.h"

namespace server {

// Thread-safe. `repository` and `registry` must outlive it.
class Service {
 public:
  // No more than `max_batch_size` rows are computed at once: the engine's
  // memory grows with them.
  Service(const ModelRepository* repository, Registry* registry,
          int64_t max_batch_size);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // From now on nothing new is taken; what was taken still runs.
  void BeginDrain() { draining_ = true; }
  bool ready() const { return !draining_; }

  const ModelRepository& repository() const { return *repository_; }

  // Queues a request for a model of the repository; `done` gets its outcome,
  // once, on a thread of the model's. With an error nothing was queued and
  // `done` is not called: INVALID_ARGUMENT if the request does not fit the
  // model or has too many rows, RESOURCE_EXHAUSTED if the queue is full,
  // UNAVAILABLE if the server drains. The request's inputs are taken.
  absl::Status Infer(const Model& model, InferRequest* request,
                     InferTask::Done done);

 private:
  // A gauge with a series for each model.
  void AddGauge(const std::string& name, const std::string& help,
                size_t (*read)(const Model&), Registry* registry);

  struct Series {
    Histogram* queue;
    Histogram* compute;
    Counter* queue_full;
    Counter* draining;
  };

  const ModelRepository* const repository_;
  const int64_t max_batch_size_;
  std::atomic<bool> draining_{false};
  std::map<const Model*, Series> series_;
};

}  // namespace server

#endif  // CC_SERVER_SERVICE_H_
