// What is served: the Open Inference Protocol, grpc.health.v1 and server
// reflection. Statuses are those of the core, whose codes are gRPC's.
#ifndef CC_FRONTEND_GRPC_SERVICE_H_
#define CC_FRONTEND_GRPC_SERVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "cc/base/loop.h"
#include "cc/frontend/grpc/grpc.h"
#include "cc/frontend/grpc/reflection.h"
#include "cc/frontend/http/block.h"
#include "cc/infer/core.h"

namespace grpc {

struct Options {
  std::string name;
  std::string version;
};

// On the loop's thread.
class Service : public Handler {
 public:
  // The loop and the core must outlive it. Calls that are under way when it
  // goes are not answered.
  Service(base::Loop* loop, infer::Core* core, const Options& options);
  ~Service() override;

  std::shared_ptr<Exchange> Begin(const Head& head, Reply reply) override;
  void OnRefused(const Head& head, const absl::Status& status) override;

 private:
  struct Method;
  // One request and its answer, for the log and the metrics.
  struct Entry;
  class Unary;
  class Control;
  class Inference;
  class UnaryInfer;
  class StreamInfer;
  class Watch;
  class ReflectionStream;

  static const Method* FindMethod(absl::string_view path);
  // Of all methods that have one request and one answer at once.
  absl::StatusOr<std::string> Answer(const absl::Cord& request, Entry* entry);
  absl::StatusOr<std::string> ModelAnswer(const absl::Cord& request,
                                          Entry* entry);
  absl::StatusOr<std::string> StatisticsAnswer(const absl::Cord& request);
  absl::StatusOr<std::string> HealthAnswer(const absl::Cord& request,
                                           Entry* entry);
  // ServingStatus; 0: there is no such model.
  int HealthOf(const std::string& service) const;
  void LookAtWatches();
  void Record(const Entry& entry, const absl::Status& status);

  infer::Core* const core_;
  const Options options_;
  const Reflection reflection_;
  const std::shared_ptr<http::BlockPool> pool_;
  // Those whose clients have said all.
  std::vector<std::shared_ptr<Watch>> watches_;
  base::Timer watch_timer_;
  // Whether it is still there, for calls that models finish at their own end.
  const std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_SERVICE_H_
