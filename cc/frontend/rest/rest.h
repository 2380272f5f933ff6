// The Open Inference Protocol v2 over HTTP, and /metrics (route.h lists the
// paths). Whatever goes wrong, the body is {"error": "..."}.
#ifndef CC_FRONTEND_REST_REST_H_
#define CC_FRONTEND_REST_REST_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cc/base/helper_thread.h"
#include "cc/base/loop.h"
#include "cc/frontend/coding/coders.h"
#include "cc/frontend/http/http.h"
#include "cc/frontend/rest/cors.h"
#include "cc/frontend/rest/exchange.h"
#include "cc/infer/core.h"

namespace rest {

inline constexpr absl::string_view kServerName = "paddle_server";
inline constexpr absl::string_view kServerVersion = "0.1.0";

struct Options {
  // Of JSON in one request, apart from binary tensors. To read it takes
  // kParserBytesPerByte (decode.h) times that.
  size_t max_json_bytes = size_t{8} << 20;
  // From here on JSON is read and written by a thread of its own: 256 KiB are
  // read in about 0.3 ms, in which nobody else is served.
  size_t small_json_bytes = size_t{256} << 10;
  // Of a body that comes compressed, when it is not any more.
  size_t max_body_bytes = size_t{64} << 20;
  // See Cors.
  std::vector<std::string> cors_origins;
};

// What follows "has ... bytes", where that is too much JSON.
std::string MostJson(const Options& options);

// On the loop's thread.
class Handler : public http::Handler {
 public:
  // The loop and the core must outlive it. Requests that are under way when it
  // goes are not answered.
  Handler(base::Loop* loop, infer::Core* core, const Options& options);
  ~Handler() override;

  std::vector<std::string> SingleHeaders() const override;
  std::optional<http::Response> CheckHead(
      const http::Request& head, uint64_t declared_body_bytes) override;
  void Handle(http::Request request,
              std::shared_ptr<http::Reply> reply) override;
  http::Response Refuse(const http::Error& error) override;

 private:
  // Finds what the request is for; or says why it is refused, as far as its
  // head tells.
  std::optional<Refusal> Check(const http::Request& request,
                               uint64_t body_bytes, Exchange* exchange);
  std::optional<Refusal> CheckInfer(const http::Request& request,
                                    uint64_t body_bytes, Exchange* exchange);

  std::optional<Refusal> CheckOcr(const http::Request& request,
                                  Exchange* exchange) const;

  // Until it is answered.
  void WatchClient(const std::shared_ptr<Exchange>& exchange);
  void Inflate(const std::shared_ptr<Exchange>& exchange, absl::Cord body);
  // With the body as it is meant.
  void Serve(const std::shared_ptr<Exchange>& exchange, absl::Cord body);
  void Answer(const std::shared_ptr<Exchange>& exchange,
              const absl::Cord& body);
  void Statistics(const std::shared_ptr<Exchange>& exchange);
  void Control(const std::shared_ptr<Exchange>& exchange,
               const absl::Cord& body);
  void Decode(const std::shared_ptr<Exchange>& exchange, absl::Cord body);
  // Runs a request on the exchange's model; `answer` is called with its
  // outputs there, where all went well.
  void Ask(const std::shared_ptr<Exchange>& exchange, infer::Request request,
           std::function<void()> answer);
  void Infer(const std::shared_ptr<Exchange>& exchange);
  void Read(const std::shared_ptr<Exchange>& exchange, absl::Cord body);
  void Encode(const std::shared_ptr<Exchange>& exchange);

  infer::Core* const core_;
  const Options options_;
  const Cors cors_;
  // Whether it is still there, for calls that models finish at their own end.
  const std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
  coding::Coders coders_;
  base::HelperThread helper_;
};

}  // namespace rest

#endif  // CC_FRONTEND_REST_REST_H_
