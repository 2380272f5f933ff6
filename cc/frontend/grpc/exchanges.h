// The calls of a Service. Part of service.cc, infer.cc and health.cc.
#ifndef CC_FRONTEND_GRPC_EXCHANGES_H_
#define CC_FRONTEND_GRPC_EXCHANGES_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "cc/frontend/grpc/grpc.h"
#include "cc/frontend/grpc/service.h"
#include "cc/infer/call.h"

namespace grpc {

using Deadline = std::optional<base::Clock::time_point>;

struct Service::Method {
  absl::string_view path;
  enum Kind {
    kUnary,
    kControl,
    kInfer,
    kStreamInfer,
    kWatch,
    kReflection
  } kind;
  infer::Endpoint endpoint;
};

struct Service::Entry {
  absl::string_view path;  // lives longer
  infer::Endpoint endpoint = infer::Endpoint::kNone;
  infer::Clock::time_point start;
  std::shared_ptr<infer::Servable> servable;
  base::Caller caller;
  std::string id;
  size_t bytes_in = 0;
  size_t bytes_out = 0;
  infer::Timing timing;
};

// One message, one answer at once.
class Service::Unary : public Exchange {
 public:
  Unary(Service* service, const Head& head, const Method& method, Reply reply);
  void OnMessage(absl::Cord message) override;
  void OnEnd() override;
  void OnGone() override;
  bool waits_for_client() const override { return true; }

 protected:
  void Finish(const absl::Status& status);
  // One message has come, and no more will.
  virtual void OnRequest();

  Service* const service_;
  const std::weak_ptr<const bool> alive_;
  Entry entry_;
  Reply reply_;
  absl::Cord message_;

 private:
  bool received_ = false;
};

// Loads or unloads a model.
class Service::Control : public Unary,
                         public std::enable_shared_from_this<Control> {
 public:
  using Unary::Unary;

 protected:
  void OnRequest() override;
};

// A request for inference, from its bytes to those of its answer.
class Service::Inference : public std::enable_shared_from_this<Inference> {
 public:
  explicit Inference(Service* service)
      : service_(service), alive_(service->alive_) {}
  virtual ~Inference() = default;

  // `entry` is filled meanwhile. Done is called once, also before this returns,
  // unless it is cancelled.
  void Start(const absl::Cord& message, const Deadline& deadline, Entry* entry);
  void Cancel();

 protected:
  virtual void Done(const absl::Status& status, absl::Cord response) = 0;

 private:
  absl::Status Try(const absl::Cord& message, const Deadline& deadline,
                   Entry* entry);

  Service* const service_;
  const std::weak_ptr<const bool> alive_;
  std::weak_ptr<infer::Call> call_;
};

class Service::UnaryInfer : public Unary, public Inference {
 public:
  UnaryInfer(Service* service, const Head& head, const Method& method,
             Reply reply);
  void OnGone() override;

 protected:
  void OnRequest() override;
  void Done(const absl::Status& status, absl::Cord response) override;

 private:
  const Deadline deadline_;
};

// Requests on one call: answered in their order, as Triton does for models that
// give one answer to each, and computed together if they come together.
class Service::StreamInfer : public Exchange,
                             public std::enable_shared_from_this<StreamInfer> {
 public:
  StreamInfer(Service* service, const Head& head, const Method& method,
              Reply reply);
  void OnMessage(absl::Cord message) override;
  void OnEnd() override;
  void OnGone() override;
  void OnDrain() override;
  void OnSent() override { Pump(); }
  bool full() const override;
  bool busy() const override { return !slots_.empty() || !waiting_.empty(); }

 private:
  class Item;
  struct Slot {
    std::weak_ptr<Item> item;
    absl::Cord answer;
    bool done = false;
  };
  void Pump();
  void OnAnswer(uint64_t number, absl::Cord answer);

  Service* const service_;
  const std::weak_ptr<const bool> alive_;
  const Deadline deadline_;
  const base::Caller caller_;
  const Method& method_;
  Reply reply_;
  std::deque<absl::Cord> waiting_;
  std::deque<Slot> slots_;  // of what is under way, in order
  uint64_t first_ = 0;      // number of the first of them
  bool pumping_ = false;
  bool ended_ = false;
  bool draining_ = false;
};

// Tells of a status, and of each change.
class Service::Watch : public Exchange,
                       public std::enable_shared_from_this<Watch> {
 public:
  Watch(Service* service, const Head& head, const Method& method, Reply reply);
  void OnMessage(absl::Cord message) override;
  void OnEnd() override;
  void OnGone() override;
  void OnDrain() override;
  bool waits_for_client() const override { return true; }
  bool busy() const override { return false; }

  // Whether it goes on.
  bool Look();

 private:
  void Finish(const absl::Status& status);

  Service* const service_;
  const std::weak_ptr<const bool> alive_;
  Entry entry_;
  Reply reply_;
  std::string watched_;
  bool received_ = false;
  int told_ = -1;
};

class Service::ReflectionStream : public Exchange {
 public:
  ReflectionStream(Service* service, const Head& head, const Method& method,
                   Reply reply);
  void OnMessage(absl::Cord message) override;
  void OnEnd() override { Finish(absl::OkStatus()); }
  void OnGone() override {}
  void OnDrain() override;
  bool full() const override { return reply_.unsent() > 0; }
  bool busy() const override { return false; }

 private:
  void Finish(const absl::Status& status);

  Service* const service_;
  const std::weak_ptr<const bool> alive_;
  Entry entry_;
  Reply reply_;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_EXCHANGES_H_
