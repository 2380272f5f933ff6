// A handler with models that are none, and answers that go nowhere.
#ifndef CC_FRONTEND_REST_REST_FIXTURE_H_
#define CC_FRONTEND_REST_REST_FIXTURE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cc/base/log.h"
#include "cc/frontend/rest/rest.h"
#include "cc/infer/fake_servable.h"
#include "gtest/gtest.h"

namespace rest {

using Header = std::pair<std::string, std::string>;

inline constexpr char kBody[] =
    R"({"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32",)"
    R"("data":[1,2]}],"outputs":[{"name":"y"}]})";

// Where an answer arrives.
struct Answered {
  std::optional<http::Response> response;
  std::function<void()> gone;

  int status() const { return response ? response->status : 0; }
  std::string body() const {
    return response ? std::string(response->body) : "";
  }
  std::string header(absl::string_view name) const {
    for (const auto& [key, value] : response->headers) {
      if (key == name) return value;
    }
    return "";
  }
};

class FakeReply : public http::Reply {
 public:
  explicit FakeReply(std::shared_ptr<Answered> answered)
      : answered_(std::move(answered)) {}
  void Send(http::Response response) override {
    ASSERT_FALSE(answered_->response.has_value()) << "answered twice";
    answered_->response = std::move(response);
    answered_->gone = nullptr;
  }
  void OnGone(std::function<void()> gone) override {
    answered_->gone = std::move(gone);
  }

 private:
  const std::shared_ptr<Answered> answered_;
};

// A body in one block with room behind it, as http has it.
inline absl::Cord Received(absl::string_view body) {
  auto bytes = std::make_shared<std::string>(body);
  bytes->resize(body.size() + 64);
  return absl::MakeCordFromExternal(
      absl::string_view(bytes->data(), body.size()), [bytes] {});
}

class RestTest : public ::testing::Test {
 protected:
  RestTest() {
    base::SetLogLevel(base::LogLevel::kError);
    options_.max_json_bytes = 100'000;
    options_.small_json_bytes = 10'000;
    repository_.Add(
        std::make_shared<infer::FakeServable>(infer::FakeInfo("m", "1")));
    servable_ =
        std::make_shared<infer::FakeServable>(infer::FakeInfo("m", "2"));
    repository_.Add(servable_);
    rest_.emplace(&loop_, &core_, options_);
  }

  http::Request Request(std::string method, std::string target,
                        absl::string_view body = "",
                        std::vector<Header> headers = {}) {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = Received(body);
    request.headers = std::move(headers);
    return request;
  }
  // The answer comes at once, or when the model has run.
  std::shared_ptr<Answered> Start(std::string method, std::string target,
                                  absl::string_view body = "",
                                  std::vector<Header> headers = {}) {
    const auto answered = std::make_shared<Answered>();
    rest_->Handle(
        Request(std::move(method), std::move(target), body, std::move(headers)),
        std::make_shared<FakeReply>(answered));
    return answered;
  }
  Answered Call(std::string method, std::string target,
                absl::string_view body = "", std::vector<Header> headers = {}) {
    const auto answered =
        Start(std::move(method), std::move(target), body, std::move(headers));
    RunAll();
    EXPECT_TRUE(answered->response.has_value());
    return *answered;
  }
  void RunAll() {
    for (const char* version : {"1", "2"}) {
      const auto found = repository_.Find("m", version);
      if (found.ok()) {
        static_cast<infer::FakeServable&>(**found).RunAll();
      }
    }
  }
  Answered Infer(absl::string_view body, std::vector<Header> headers = {}) {
    return Call("POST", "/v2/models/m/infer", body, std::move(headers));
  }
  // Runs the loop until the answer, or whatever else, is there.
  void Await(const std::function<bool()>& there) {
    std::function<void()> look = [&] {
      RunAll();
      if (there()) {
        loop_.Stop();
      } else {
        loop_.Post(look);
      }
    };
    loop_.Post(look);
    loop_.Run();
  }
  std::optional<http::Response> Head(std::string method, std::string target,
                                     uint64_t bytes = 0,
                                     std::vector<Header> headers = {}) {
    return rest_->CheckHead(
        Request(std::move(method), std::move(target), "", std::move(headers)),
        bytes);
  }

  Options options_;
  infer::FakeRepository repository_;
  base::Registry registry_;
  base::ByteBudget budget_{10'000'000};
  infer::Core core_{&repository_, &registry_, &budget_};
  base::Loop loop_;
  std::shared_ptr<infer::FakeServable> servable_;
  std::optional<Handler> rest_;
};

}  // namespace rest

#endif  // CC_FRONTEND_REST_REST_FIXTURE_H_
