// A connection and a handler that answers as a test says.
#ifndef CC_FRONTEND_GRPC_CONNECTION_FIXTURE_H_
#define CC_FRONTEND_GRPC_CONNECTION_FIXTURE_H_

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "cc/base/byte_budget.h"
#include "cc/base/loop.h"
#include "cc/frontend/grpc/client.h"
#include "cc/frontend/grpc/grpc.h"
#include "cc/frontend/grpc/link.h"
#include "cc/frontend/grpc/shared.h"
#include "cc/frontend/http/acceptor.h"
#include "gtest/gtest.h"

namespace grpc {

// Answers each message by itself (/echo), by nothing until the test does
// (/keep), not before the client's end (/late), by an error at once (/fail), or
// throws what memory that is used up would (/throw).
class Recorder : public Handler {
 public:
  struct Call : Exchange {
    Call(std::string path, Reply reply)
        : path(std::move(path)), reply(std::move(reply)) {}
    void OnMessage(absl::Cord message) override {
      messages.emplace_back(message);
      if (path == "/throw") throw std::bad_alloc();
      if (path == "/echo") reply.Send(std::move(message));
      if (path == "/fail") {
        reply.Finish(absl::NotFoundError("no \"m\u00e9\" of 100 %"));
      }
    }
    void OnEnd() override {
      ended = true;
      if (path == "/late") reply.Send(absl::Cord("late"));
      if (path != "/keep" && !reply.finished()) {
        reply.Finish(absl::OkStatus());
      }
    }
    void OnGone() override { ++gone; }
    void OnDrain() override { ++drained; }
    void OnSent() override { ++sent; }
    bool full() const override { return is_full; }
    bool waits_for_client() const override { return !ended; }

    const std::string path;
    Reply reply;
    std::vector<std::string> messages;
    bool ended = false;
    bool is_full = false;
    int gone = 0;
    int drained = 0;
    int sent = 0;
  };

  std::shared_ptr<Exchange> Begin(const Head& head, Reply reply) override {
    heads.push_back(head);
    calls.push_back(std::make_shared<Call>(head.path, std::move(reply)));
    return calls.back();
  }
  void OnRefused(const Head&, const absl::Status& status) override {
    refused.push_back(status);
  }

  std::vector<Head> heads;
  std::vector<std::shared_ptr<Call>> calls;
  std::vector<absl::Status> refused;
};

class ConnectionTest : public ::testing::Test {
 protected:
  explicit ConnectionTest(const http::Timeouts& timeouts = {})
      : shared_(&loop_, &budget_,
                {/*message_bytes=*/1 << 20, /*streams=*/4,
                 /*header_bytes=*/4096},
                timeouts) {
    shared_.handler = &handler_;
    link_.emplace(&shared_);
  }
  ~ConnectionTest() override {
    link_.reset();
    handler_.calls.clear();
    EXPECT_EQ(budget_.held(), 0u);
  }

  Link& link() { return *link_; }
  Recorder::Call& last() { return *handler_.calls.back(); }
  // The only message of a call that has ended well.
  static std::string MessageOf(const Client::Answer& answer) {
    EXPECT_EQ(answer.status(), "0");
    EXPECT_EQ(answer.closed, NGHTTP2_NO_ERROR);
    const std::string message =
        answer.data.substr(std::min<size_t>(answer.data.size(), 5));
    EXPECT_EQ(answer.data, Framed(message));
    return message;
  }

  base::Loop loop_;
  base::ByteBudget budget_{4 << 20};
  Recorder handler_;
  Shared shared_;

 private:
  std::optional<Link> link_;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_CONNECTION_FIXTURE_H_
