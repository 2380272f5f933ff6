// What a front end (REST, gRPC) asks for models and their results: it finds,
// validates, admits, counts and logs. Front ends know bytes, and nothing below.
#ifndef CC_INFER_CORE_H_
#define CC_INFER_CORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cc/base/byte_budget.h"
#include "cc/base/caller.h"
#include "cc/base/metrics.h"
#include "cc/base/trace_context.h"
#include "cc/infer/call.h"
#include "cc/infer/repository.h"
#include "cc/infer/servable.h"

namespace infer {

enum class Protocol { kHttp, kGrpc };
inline constexpr size_t kProtocols = 2;

// What is asked for, in any protocol.
enum class Endpoint {
  kNone,  // nothing that there is
  kServer,
  kLive,
  kReady,
  kModel,
  kModelReady,
  kInfer,
  kIndex,
  kConfig,
  kStatistics,
  kLoad,
  kUnload,
  kMetrics,
  kPage,     // for people
  kOcr,      // pictures, whose text is the answer
  kOcrPage,  // for people who have some
  kRefused,  // no acceptable request
};
inline constexpr size_t kEndpoints = 17;

// "http", "model_ready": as labels of metrics.
absl::string_view NameOf(Protocol protocol);
absl::string_view NameOf(Endpoint endpoint);

// One request of any kind and its answer, for the access log and the metrics.
struct Access {
  Protocol protocol = Protocol::kHttp;
  Endpoint endpoint = Endpoint::kNone;
  absl::string_view method;  // "POST"
  absl::string_view path;    // what the client asked for
  absl::string_view route;   // "/v2/models/{model}/infer"; empty: none known
  std::shared_ptr<const Servable> servable;  // none: no model was found
  int code = 0;                              // the protocol's
  bool failed = false;                       // ours, not the client's
  bool routine = false;  // a probe, a scrape: logged as debug only
  size_t bytes_in = 0;
  size_t bytes_out = 0;
  Clock::time_point start;
  absl::string_view id;                  // of the Open Inference Protocol
  const base::Caller* caller = nullptr;  // none: what it said was not read
  absl::string_view error;
  const Timing* timing = nullptr;  // of inference
};

// Takes the requests whose traces are recorded. On the loop's thread.
class Tracer {
 public:
  virtual ~Tracer() = default;
  // The request has ended just now. Does not wait.
  virtual void OnRequest(const Access& access, Clock::duration duration,
                         const base::TraceContext& trace) = 0;
};

struct CoreOptions {
  // Whether clients may load and unload models.
  bool model_control = false;
  // The share of successes that is logged, by trace; errors all are.
  double log_share = 1;
  // nullptr: no traces are recorded. Else those of callers that record theirs,
  // and a share of those that begin here. It outlives the core.
  Tracer* tracer = nullptr;
  double trace_share = 1;
};

// On the loop's thread.
class Core {
 public:
  // All must outlive it.
  Core(Repository* repository, base::Registry* registry,
       base::ByteBudget* budget, const CoreOptions& options = {});
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // An empty version: the highest that is ready. NOT_FOUND says what there is;
  // UNAVAILABLE: it is being loaded.
  absl::StatusOr<std::shared_ptr<Servable>> Find(
      absl::string_view name, absl::string_view version) const;

  // Of every version, or of the one given, of one model, or, where the name is
  // empty, of all: those that are ready, in their order.
  absl::StatusOr<std::vector<std::shared_ptr<Servable>>> FindAll(
      absl::string_view name, absl::string_view version) const;

  // PERMISSION_DENIED where clients may not load and unload models.
  absl::Status CheckControl() const;

  // Runs the call on the servable. The call is finished later or, where the
  // request does not fit the model (INVALID_ARGUMENT) or the server is past its
  // end (UNAVAILABLE), at once.
  void Infer(const std::shared_ptr<Servable>& servable,
             std::shared_ptr<Call> call);

  // Counts and logs. What clients have chosen is cut to bounds.
  void Record(const Access& access);

  // Whether all models that are to be served are loaded, and no shutdown has
  // begun.
  bool ready() const;
  absl::string_view not_ready_reason() const;
  // The same of a model: UNAVAILABLE says why it is not.
  absl::Status Ready(const Servable& servable) const;

  bool draining() const { return draining_ || closed_; }
  bool closed() const { return closed_; }

  // A shutdown begins: ready() is false, requests are served all the same.
  void BeginDrain() { draining_ = true; }
  // From now on nothing new is taken.
  void Close() { closed_ = true; }

  Repository& repository() { return *repository_; }
  base::Registry& registry() { return *registry_; }
  base::ByteBudget& budget() { return *budget_; }

 private:
  AccessSeries& SeriesOf(const Servable* servable);
  void Count(const Access& access, Clock::duration duration,
             const base::TraceContext& trace, bool traced);
  static void Account(const Access& access, Clock::duration duration,
                      Statistics* statistics);
  bool Traces(const Access& access, const base::TraceContext& trace) const;
  // Whether it may be written, as far as that is known without its trace.
  bool Logs(const Access& access) const;
  void Write(const Access& access, Clock::duration duration,
             const base::TraceContext& trace);

  Repository* const repository_;
  base::Registry* const registry_;
  base::ByteBudget* const budget_;
  const bool model_control_;
  const base::TraceShare logged_;
  Tracer* const tracer_;
  const base::TraceShare traced_;
  base::Family<base::Counter>& requests_;
  base::Family<base::Histogram>& durations_;
  base::Family<base::Counter>& rejected_;
  bool draining_ = false;
  bool closed_ = false;
  // Of requests for no model, or for none that there is: names of models that
  // do not exist would be labels without bound.
  const std::unique_ptr<AccessSeries> series_;
};

}  // namespace infer

#endif  // CC_INFER_CORE_H_
