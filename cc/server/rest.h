// The Open Inference Protocol v2 over HTTP, and /metrics:
//
//   GET  /v2                                     server metadata
//   GET  /v2/health/live, /v2/health/ready
//   GET  /v2/models/M[/versions/V]               model metadata
//   GET  /v2/models/M[/versions/V]/ready
//   POST /v2/models/M[/versions/V]/infer
//   POST /v2/repository/index
//   GET  /metrics                                Prometheus text
//
// Whatever goes wrong, the body is {"error": "..."}.
#ifndef CC_SERVER_REST_H_
#define CC_SERVER_REST_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/server/http.h"
#include "cc/server/metrics.h"
#include "cc/server/scheduler.h"
#include "cc/server/service.h"

namespace server {

inline constexpr absl::string_view kServerName = "paddle_server";
inline constexpr absl::string_view kServerVersion = "0.1.0";

enum class Endpoint {
  kServer,
  kLive,
  kReady,
  kModel,
  kModelReady,
  kInfer,
  kIndex,
  kMetrics,
  kNone,
};

struct Route {
  Endpoint endpoint = Endpoint::kNone;
  std::string model;
  std::string version;  // empty: the highest
};

// What a path, percent-encoded, leads to.
Route ParseRoute(absl::string_view path);

// 503 for UNAVAILABLE, and so on.
int HttpStatus(const absl::Status& status);

// `service` and `registry` must outlive it, and every request it has taken.
class RestHandler : public HttpHandler {
 public:
  RestHandler(Service* service, Registry* registry);

  void Handle(HttpRequest request, HttpReply reply) override;
  HttpResponse Refuse(const HttpError& error) override;
  void OnDrain() override;

 private:
  // One request and its answer, for the log and the metrics.
  struct Exchange;

  absl::Status StartInfer(const std::shared_ptr<Exchange>& exchange,
                          const HttpRequest& request);
  absl::StatusOr<HttpResponse> Answer(const Exchange& exchange);
  void Fail(Exchange* exchange, int status, absl::string_view message,
            std::vector<std::pair<std::string, std::string>> headers = {});
  void Fail(Exchange* exchange, const absl::Status& status);
  void Finish(const Exchange& exchange, HttpResponse response);

  Service* const service_;
  Registry* const registry_;
  Family<Counter>& requests_;
  Family<Histogram>& durations_;
};

}  // namespace server

#endif  // CC_SERVER_REST_H_
