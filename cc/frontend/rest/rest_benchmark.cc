// What a request costs above the model and below the sockets: routes, decoding,
// checks, encoding, metrics, the log line (written to a pipe that a thread
// empties).
//
//   ./bazelw run //cc/frontend/rest:rest_benchmark

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/log.h"
#include "cc/frontend/rest/rest.h"
#include "cc/infer/fake_servable.h"

namespace rest {
namespace {

constexpr int kRows = 1;
constexpr int kColumns = 3072;

class Reply : public http::Reply {
 public:
  explicit Reply(size_t* bytes) : bytes_(bytes) {}
  void Send(http::Response response) override {
    *bytes_ += response.body.size();
  }
  void OnGone(std::function<void()> gone) override { gone_ = std::move(gone); }

 private:
  size_t* const bytes_;
  std::function<void()> gone_;
};

absl::Cord Received(const std::string& body) {
  auto bytes = std::make_shared<std::string>(body);
  bytes->resize(body.size() + 64);
  return absl::MakeCordFromExternal(
      absl::string_view(bytes->data(), body.size()), [bytes] {});
}

struct Bench {
  Bench() : rest(&loop, &core, Options()) {
    infer::ModelInfo info = infer::FakeInfo("m", "1");
    info.inputs[0].shape = {-1, kColumns};
    info.outputs = {{"y", base::DataType::kFloat32, {-1, 10}}};
    servable =
        std::make_shared<infer::FakeServable>(info, [](const infer::Request&) {
          return absl::StatusOr<std::vector<infer::Tensor>>(
              {{"y",
                base::DataType::kFloat32,
                {kRows, 10},
                absl::Cord(std::string(40, '\x3F'))}});
        });
    repository.Add(servable);
  }

  void Serve(const http::Request& request) {
    rest.CheckHead(request, request.body.size());
    rest.Handle(request, std::make_shared<Reply>(&bytes));
    servable->RunAll();
  }

  size_t bytes = 0;
  infer::FakeRepository repository;
  base::Registry registry;
  base::ByteBudget budget{size_t{1} << 30};
  infer::Core core{&repository, &registry, &budget};
  base::Loop loop;
  std::shared_ptr<infer::FakeServable> servable;
  Handler rest;
};

http::Request BinaryRequest() {
  const std::string json = absl::StrCat(
      R"({"inputs":[{"name":"x","shape":[1,)", kColumns,
      R"(],"datatype":"FP32","parameters":{"binary_data_size":)", kColumns * 4,
      R"(}}],"parameters":{"binary_data_output":true}})");
  http::Request request;
  request.method = "POST";
  request.target = "/v2/models/m/infer";
  request.headers = {
      {"Host", "localhost"},
      {"Inference-Header-Content-Length", absl::StrCat(json.size())}};
  request.body = Received(json + std::string(kColumns * 4, '\x3F'));
  return request;
}

http::Request JsonRequest() {
  std::string json = absl::StrCat(R"({"inputs":[{"name":"x","shape":[1,)",
                                  kColumns, R"(],"datatype":"FP32","data":[)");
  for (int i = 0; i < kColumns; ++i) {
    absl::StrAppend(&json, i > 0 ? "," : "", "0.", 12345678 + i * 7919);
  }
  json.append("]}]}");
  http::Request request = BinaryRequest();
  request.headers.pop_back();
  request.body = Received(json);
  return request;
}

void Run(int out, const char* name, const http::Request& request) {
  // The best of some rounds: others use the machine, too.
  constexpr int kRounds = 20;
  constexpr int kRequests = 2000;
  Bench bench;
  auto best = infer::Clock::duration::max();
  for (int round = 0; round < kRounds; ++round) {
    const auto start = infer::Clock::now();
    for (int i = 0; i < kRequests; ++i) bench.Serve(request);
    best = std::min(best, infer::Clock::now() - start);
  }
  const double us = std::chrono::duration<double, std::micro>(best).count();
  dprintf(out, "%-20s %7.2f us/request, body %zu bytes\n", name, us / kRequests,
          request.body.size());
}

}  // namespace
}  // namespace rest

int main() {
  int fds[2];
  const int out = dup(STDOUT_FILENO);
  if (out < 0 || pipe(fds) != 0 || dup2(fds[1], STDOUT_FILENO) < 0) return 1;
  std::thread([fd = fds[0]] {
    char bytes[65536];
    while (read(fd, bytes, sizeof(bytes)) > 0) {
    }
  }).detach();
  if (!base::LogStart().ok()) return 1;
  http::Request health;
  health.method = "GET";
  health.target = "/v2/health/live";
  rest::Run(out, "health", health);
  rest::Run(out, "binary", rest::BinaryRequest());
  rest::Run(out, "json", rest::JsonRequest());
  base::SetLogLevel(base::LogLevel::kWarning);
  rest::Run(out, "binary, no log", rest::BinaryRequest());
  _exit(0);
}
