// What the service makes of messages, whatever brings them: a stream that only
// keeps what it is given, and models that answer when a test says so.
#include "cc/frontend/grpc/service.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "cc/base/byte_budget.h"
#include "cc/base/log.h"
#include "cc/base/loop.h"
#include "cc/base/metrics.h"
#include "cc/base/wire.h"
#include "cc/frontend/grpc/link.h"
#include "cc/infer/core.h"
#include "cc/infer/fake_servable.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace grpc {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";
constexpr char kServiceUnknown[] = "\x08\x03";

struct Kept : Stream {
  void Send(absl::Cord message) override { messages.emplace_back(message); }
  void Finish(const absl::Status& result) override {
    EXPECT_FALSE(status.has_value()) << "finished twice";
    status = result;
  }
  size_t unsent() const override { return not_read; }
  std::optional<StatusCode> code() const {
    return status ? std::optional(status->code()) : std::nullopt;
  }

  std::vector<std::string> messages;
  std::optional<absl::Status> status;
  size_t not_read = 0;
};

struct Begun {
  std::shared_ptr<Kept> kept = std::make_shared<Kept>();
  std::shared_ptr<Exchange> exchange;
};

// A ModelInferRequest for x, FP32 [1,2].
absl::Cord Request(float first = 1, const std::string& id = "",
                   const std::string& model = "m") {
  std::string input, request;
  const int64_t shape[] = {1, 2};
  wire::Writer fields(&input);
  fields.Bytes(1, "x");
  fields.Bytes(2, "FP32");
  fields.Packed(3, shape, 2);
  const float values[] = {first, 2};
  wire::Writer writer(&request);
  writer.Bytes(1, model);
  writer.Bytes(3, id);
  writer.Message(5, input);
  writer.Message(7, {reinterpret_cast<const char*>(values), sizeof(values)});
  return absl::Cord(request);
}

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    base::SetLogLevel(base::LogLevel::kError);
    repository_.Add(model_);
    service_ = std::make_unique<Service>(&loop_, &core_, Options{"s", "1"});
  }

  Begun Begin(const std::string& path) {
    Begun begun;
    Head head;
    head.path = path;
    head.start = base::Clock::now();
    begun.exchange = service_->Begin(head, Reply(begun.kept));
    return begun;
  }
  Begun Infer() { return Begin("/inference.GRPCInferenceService/ModelInfer"); }
  Begun StreamInfer() {
    return Begin("/inference.GRPCInferenceService/ModelStreamInfer");
  }
  // All that a client says in a call of one message.
  Begun Ask(const std::string& path, const absl::Cord& message) {
    Begun begun = Begin(path);
    begun.exchange->OnMessage(message);
    begun.exchange->OnEnd();
    return begun;
  }
  Begun Watch(const std::string& name = "") {
    std::string request;
    wire::Writer(&request).Bytes(1, name);
    return Ask("/grpc.health.v1.Health/Watch", absl::Cord(request));
  }
  // Until a watch has told so many statuses.
  void AwaitTold(const Begun& watch, size_t count) {
    while (watch.kept->messages.size() < count) {
      Turn(&loop_);
      usleep(1000);
    }
  }

  base::Loop loop_;
  base::ByteBudget budget_{1 << 20};
  base::Registry registry_;
  std::shared_ptr<infer::FakeServable> model_ =
      std::make_shared<infer::FakeServable>(infer::FakeInfo("m", "1"));
  infer::FakeRepository repository_;
  infer::Core core_{&repository_, &registry_, &budget_};
  std::unique_ptr<Service> service_;
};

// ---- One message, one answer

TEST_F(ServiceTest, ARequestIsAnsweredWhenTheModelHas) {
  const Begun call = Infer();
  EXPECT_TRUE(call.exchange->waits_for_client());
  call.exchange->OnMessage(Request());
  EXPECT_THAT(model_->waiting(), IsEmpty());  // more might come
  call.exchange->OnEnd();
  EXPECT_EQ(model_->waiting().size(), 1u);
  EXPECT_EQ(call.kept->code(), std::nullopt);
  model_->RunAll();
  EXPECT_EQ(call.kept->code(), StatusCode::kOk);
  ASSERT_EQ(call.kept->messages.size(), 1u);
  const float doubled[] = {2, 4};
  EXPECT_THAT(call.kept->messages[0],
              HasSubstr(std::string(reinterpret_cast<const char*>(doubled),
                                    sizeof(doubled))));
}

TEST_F(ServiceTest, ErrorsComeWithoutAMessage) {
  const std::string path = "/inference.GRPCInferenceService/ModelInfer";
  const Begun broken = Ask(path, Request(-1));
  model_->RunAll();
  EXPECT_EQ(broken.kept->code(), StatusCode::kInternal);
  EXPECT_EQ(Ask(path, Request(1, "", "n")).kept->code(), StatusCode::kNotFound);
  EXPECT_EQ(Ask(path, absl::Cord("\x80")).kept->code(),
            StatusCode::kInvalidArgument);
  EXPECT_THAT(broken.kept->messages, IsEmpty());
}

TEST_F(ServiceTest, ACallOfOneMessageHasOne) {
  const Begun none = Infer();
  none.exchange->OnEnd();
  EXPECT_EQ(none.kept->code(), StatusCode::kInternal);
  const Begun two = Infer();
  two.exchange->OnMessage(Request());
  two.exchange->OnMessage(Request());
  EXPECT_EQ(two.kept->code(), StatusCode::kInternal);
  EXPECT_THAT(model_->waiting(), IsEmpty());
}

TEST_F(ServiceTest, WhatNobodyWaitsForIsNotComputed) {
  const Begun gone = Infer();
  gone.exchange->OnMessage(Request());
  gone.exchange->OnEnd();
  gone.exchange->OnGone();
  const Begun other =
      Ask("/inference.GRPCInferenceService/ModelInfer", Request());
  EXPECT_EQ(model_->RunAll(), 1);
  EXPECT_THAT(gone.kept->messages, IsEmpty());
  EXPECT_EQ(other.kept->code(), StatusCode::kOk);
}

TEST_F(ServiceTest, UnknownMethodsAreToldApart) {
  const Begun shared =
      Begin("/inference.GRPCInferenceService/SystemSharedMemoryStatus");
  EXPECT_EQ(shared.exchange, nullptr);
  EXPECT_EQ(shared.kept->code(), StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(shared.kept->status->message()),
              HasSubstr("does not serve the method"));
  EXPECT_THAT(std::string(Begin("/other/Method").kept->status->message()),
              HasSubstr("there is no method"));
}

TEST_F(ServiceTest, ModelsAreLoadedForOperatorsOnly) {
  std::string request;
  wire::Writer(&request).Bytes(2, "m");
  const std::string path =
      "/inference.GRPCInferenceService/RepositoryModelLoad";
  EXPECT_EQ(Ask(path, absl::Cord(request)).kept->code(),
            StatusCode::kPermissionDenied);
  infer::Core core(&repository_, &registry_, &budget_,
                   {/*model_control=*/true});
  service_ = std::make_unique<Service>(&loop_, &core, Options{"s", "1"});
  const Begun load = Ask(path, absl::Cord(request));
  EXPECT_EQ(load.kept->code(), std::nullopt);
  repository_.FinishLoad(absl::OkStatus());
  EXPECT_EQ(load.kept->code(), StatusCode::kOk);
  EXPECT_THAT(load.kept->messages, ElementsAre(""));
  const Begun late = Ask(path, absl::Cord(request));
  service_.reset();
  repository_.FinishLoad(absl::OkStatus());
  EXPECT_THAT(late.kept->messages, IsEmpty());
}

// ---- ModelStreamInfer

TEST_F(ServiceTest, AStreamAnswersInTheOrderOfItsRequests) {
  const Begun stream = StreamInfer();
  stream.exchange->OnMessage(Request(1, "first"));
  stream.exchange->OnMessage(Request(2, "second"));
  stream.exchange->OnMessage(Request(3, "third", "n"));  // no such model
  ASSERT_EQ(model_->waiting().size(), 2u);
  const auto first = model_->waiting()[0];
  const auto second = model_->waiting()[1];
  second->Finish(absl::InternalError("it broke"));
  EXPECT_THAT(stream.kept->messages, IsEmpty());
  first->Finish(absl::InternalError("this too"));
  EXPECT_THAT(stream.kept->messages,
              ElementsAre(HasSubstr("this too"), HasSubstr("it broke"),
                          HasSubstr("unknown model")));
  EXPECT_EQ(stream.kept->code(), std::nullopt);
  EXPECT_FALSE(stream.exchange->busy());
  stream.exchange->OnEnd();
  EXPECT_EQ(stream.kept->code(), StatusCode::kOk);
}

TEST_F(ServiceTest, AStreamEndsWhenAllIsAnswered) {
  const Begun stream = StreamInfer();
  stream.exchange->OnMessage(Request());
  stream.exchange->OnEnd();
  EXPECT_EQ(stream.kept->code(), std::nullopt);
  EXPECT_TRUE(stream.exchange->busy());
  model_->RunAll();
  EXPECT_EQ(stream.kept->messages.size(), 1u);
  EXPECT_EQ(stream.kept->code(), StatusCode::kOk);
}

TEST_F(ServiceTest, AStreamTakesNoMoreThanItHasToDo) {
  const Begun stream = StreamInfer();
  while (!stream.exchange->full()) stream.exchange->OnMessage(Request());
  EXPECT_EQ(model_->waiting().size(), 64u);
  stream.exchange->OnMessage(Request());  // was on its way
  EXPECT_EQ(model_->waiting().size(), 64u);
  model_->RunAll();
  model_->RunAll();
  EXPECT_EQ(stream.kept->messages.size(), 65u);
  EXPECT_FALSE(stream.exchange->full());
}

TEST_F(ServiceTest, WhoDoesNotReadAnswersGetsNoMoreComputed) {
  const Begun stream = StreamInfer();
  stream.kept->not_read = 64 << 20;
  stream.exchange->OnMessage(Request());
  EXPECT_THAT(model_->waiting(), IsEmpty());
  EXPECT_TRUE(stream.exchange->full());
  stream.kept->not_read = 0;
  stream.exchange->OnSent();
  EXPECT_EQ(model_->RunAll(), 1);
  EXPECT_EQ(stream.kept->messages.size(), 1u);
}

TEST_F(ServiceTest, AStreamWhoseClientIsGoneIsNotComputed) {
  const Begun stream = StreamInfer();
  for (int i = 0; i < 70; ++i) stream.exchange->OnMessage(Request());
  stream.exchange->OnGone();
  EXPECT_EQ(model_->RunAll(), 0);
  EXPECT_THAT(stream.kept->messages, IsEmpty());
}

TEST_F(ServiceTest, AtTheEndAStreamAnswersWhatHasCome) {
  const Begun idle = StreamInfer();
  idle.exchange->OnDrain();
  EXPECT_EQ(idle.kept->code(), StatusCode::kUnavailable);
  const Begun stream = StreamInfer();
  stream.exchange->OnMessage(Request());
  stream.exchange->OnDrain();
  EXPECT_EQ(stream.kept->code(), std::nullopt);
  model_->RunAll();
  EXPECT_EQ(stream.kept->messages.size(), 1u);
  EXPECT_EQ(stream.kept->code(), StatusCode::kUnavailable);
}

TEST_F(ServiceTest, WhatModelsAnswerAfterTheServiceIsForNobody) {
  const Begun call =
      Ask("/inference.GRPCInferenceService/ModelInfer", Request());
  const Begun stream = StreamInfer();
  stream.exchange->OnMessage(Request());
  service_.reset();
  model_->RunAll();
  EXPECT_THAT(call.kept->messages, IsEmpty());
  EXPECT_THAT(stream.kept->messages, IsEmpty());
}

// ---- Health

TEST_F(ServiceTest, AWatchTellsOfEachChange) {
  const Begun server = Watch();
  const Begun model = Watch("m");
  const Begun unknown = Watch("n");
  EXPECT_THAT(server.kept->messages, ElementsAre(kServing));
  EXPECT_THAT(model.kept->messages, ElementsAre(kServing));
  EXPECT_THAT(unknown.kept->messages, ElementsAre(kServiceUnknown));
  repository_.Remove("m");
  AwaitTold(model, 2);
  EXPECT_THAT(model.kept->messages, ElementsAre(kServing, kServiceUnknown));
  EXPECT_EQ(unknown.kept->messages.size(), 1u);
  // Of many, whoever does not read learns of the newest.
  server.kept->not_read = 1;
  repository_.set_ready(false);
  repository_.Add(model_);
  AwaitTold(model, 3);
  EXPECT_EQ(server.kept->messages.size(), 1u);
  server.kept->not_read = 0;
  AwaitTold(server, 2);
  EXPECT_THAT(server.kept->messages, ElementsAre(kServing, kNotServing));
}

TEST_F(ServiceTest, AWatchIsToldOfTheEndBeforeItEnds) {
  const Begun watch = Watch();
  core_.BeginDrain();
  watch.exchange->OnDrain();
  EXPECT_THAT(watch.kept->messages, ElementsAre(kServing, kNotServing));
  EXPECT_EQ(watch.kept->code(), StatusCode::kUnavailable);
}

TEST_F(ServiceTest, AWatchWhoseClientIsGoneIsForgotten) {
  Begun gone = Watch();
  const std::weak_ptr<Exchange> exchange = gone.exchange;
  gone.exchange->OnGone();
  gone.exchange.reset();
  EXPECT_TRUE(exchange.expired());
}

TEST_F(ServiceTest, CheckSaysWhetherThereIsSuchAModel) {
  const std::string path = "/grpc.health.v1.Health/Check";
  std::string request;
  wire::Writer(&request).Bytes(1, "n");
  EXPECT_EQ(Ask(path, absl::Cord(request)).kept->code(), StatusCode::kNotFound);
  model_->set_ready(absl::UnavailableError("it starts again"));
  request.clear();
  wire::Writer(&request).Bytes(1, "m");
  EXPECT_THAT(Ask(path, absl::Cord(request)).kept->messages,
              ElementsAre(kNotServing));
  EXPECT_THAT(Ask(path, absl::Cord()).kept->messages, ElementsAre(kServing));
}

}  // namespace
}  // namespace grpc
