// One request and its answer: what is known of it on the way, and what is told
// of it to the client, the log and the metrics.
#ifndef CC_FRONTEND_REST_EXCHANGE_H_
#define CC_FRONTEND_REST_EXCHANGE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cc/base/caller.h"
#include "cc/base/metrics_format.h"
#include "cc/frontend/coding/coders.h"
#include "cc/frontend/http/http.h"
#include "cc/frontend/rest/decode.h"
#include "cc/frontend/rest/route.h"
#include "cc/infer/call.h"
#include "cc/infer/core.h"

namespace rest {

// Of a call's outcome. RESOURCE_EXHAUSTED before a run has begun is 503, try
// again; from a run it is 500: the same request would come to the same end.
int HttpStatus(const absl::Status& status, const infer::Timing& timing = {});

// 200, with that body.
http::Response Json(std::string body);

// Why a request is not served.
struct Refusal {
  int status = 400;
  std::string message;
  http::Headers headers = {};
};

// The answer to what is refused; clients choose names and ids, which it tells
// back within bounds. `told`, if any, gets what the client is told.
http::Response MakeRefusal(const Refusal& refusal, std::string* told = nullptr);

// On the loop's thread, but for what the helper thread is given.
struct Exchange : std::enable_shared_from_this<Exchange> {
  // Core and coders must outlive it, or nothing is to be sent any more.
  Exchange(infer::Core* core, coding::Coders* coders,
           const http::Request& request, http::Headers headers);

  // Takes what the headers say of who asks, and which codings they take.
  void ReadHeaders(const http::Request& request);
  // The answer, which is logged and counted; compressed, if the client asks for
  // that and it is worth it.
  void Send(http::Response response);
  void Refuse(const Refusal& refusal);
  void Fail(const absl::Status& status);
  // The answer to what is refused, for others to send.
  http::Response MakeRefusal(const Refusal& refusal);
  // Logs and counts an answer that is sent by others, or not at all.
  void Record(const http::Response& response) const;

  infer::Core* const core;
  coding::Coders* const coders;
  const infer::Clock::time_point start = infer::Clock::now();
  const std::string method;
  const std::string path;
  base::Caller caller;
  Route route;
  base::MetricsFormat metrics_format = base::MetricsFormat::kText;
  coding::Coding coding = coding::Coding::kIdentity;    // of the body
  coding::Coding accepted = coding::Coding::kIdentity;  // of the answer
  const http::Headers headers;                          // of any answer
  std::optional<http::Response> preflight;              // to what is one
  size_t bytes_in = 0;
  std::shared_ptr<http::Reply> reply;
  std::shared_ptr<infer::Servable> servable;
  // Of pictures: what the parts of a form are between; nullopt: it is none.
  std::optional<std::string> form;
  // Of inference:
  std::optional<size_t> json_size;
  infer::Request request;
  BinaryOutputs binary;
  std::weak_ptr<infer::Call> call;
  std::string id;
  std::vector<infer::Tensor> outputs;
  infer::Timing timing;
  bool gone = false;  // nobody waits for the answer

  std::string error;  // what the client is told, if it is an error

 private:
  void SendAsItIs(http::Response response);
  void Compress(http::Response response);
  void AddHeaders(http::Response* response) const;
};

}  // namespace rest

#endif  // CC_FRONTEND_REST_EXCHANGE_H_
