// OpenVINO inside Paddle 3: it computes what oneDNN does, and what Paddle does
// not keep apart is kept apart. Line 2 says who has it.
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/engine/engine.h"
#include "cc/engine/test_main.h"
#include "cc/engine/test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

constexpr char kDetector[] = "python/pretrained/ppocrv4_det";
constexpr char kRecogniser[] = "python/pretrained/ppocrv4_rec";

bool IsPaddle3() { return PaddleVersion()[0] == '3'; }

absl::StatusOr<std::unique_ptr<Engine>> LoadWith(CpuEngine cpu_engine,
                                                 const std::string& directory,
                                                 int threads = 1) {
  Options options;
  options.model_dir = directory;
  options.cpu_engine = cpu_engine;
  options.threads = threads;
  return Engine::Load(options);
}

absl::StatusOr<std::unique_ptr<Engine>> LoadOpenVino(
    const std::string& directory, int threads = 1) {
  return LoadWith(CpuEngine::kOpenVino, directory, threads);
}

bool PluginIsLoaded() {
  return absl::StrContains(ReadFile("/proc/self/maps"),
                           "libopenvino_intel_cpu_plugin.so");
}

// Numbers from -1 to 1.
Tensor Picture(std::vector<int64_t> shape, uint32_t seed = 1) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  std::vector<float> numbers(count);
  for (float& number : numbers) {
    seed = seed * 1664525 + 1013904223;
    number = static_cast<float>(static_cast<int32_t>(seed)) / 2147483648.0f;
  }
  return {"x", DataType::kFloat32, std::move(shape),
          std::string(reinterpret_cast<const char*>(numbers.data()),
                      numbers.size() * sizeof(float))};
}

int64_t ResidentBytes() {
  int64_t all = 0, resident = 0;
  std::istringstream(ReadFile("/proc/self/statm")) >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::string Answer(Engine* engine, const Tensor& x) {
  auto outputs = engine->Run({x});
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? (*outputs)[0].data : "";
}

float Difference(const std::string& a, const std::string& b) {
  EXPECT_EQ(a.size(), b.size());
  float most = 0;
  for (size_t i = 0; i < a.size() && i < b.size(); i += sizeof(float)) {
    float x, y;
    std::memcpy(&x, &a[i], sizeof(float));
    std::memcpy(&y, &b[i], sizeof(float));
    most = std::max(most, std::abs(x - y));
  }
  return most;
}

TEST(OpenVino, IsForPaddle3) {
  if (IsPaddle3()) GTEST_SKIP() << "see the tests below";
  ExpectError(LoadOpenVino(*trained_model).status(),
              absl::StatusCode::kFailedPrecondition,
              "Paddle 2.6.2 has no OpenVINO: use the image "
              "inference_paddle3_openvino, or compute with cpu_engine onednn");
}

// The tests of all that it does.
class OpenVinoTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!IsPaddle3()) GTEST_SKIP() << "see OpenVino.IsForPaddle3";
  }
};

// The first test: nothing here has loaded its plugin before.
TEST_F(OpenVinoTest, ComputesWhatOneDnnDoes) {
  const std::pair<const char*, Tensor> kModels[] = {
      {kRecogniser, Picture({2, 3, 48, 320})},
      {kDetector, Picture({1, 3, 320, 320})},
  };
  for (const auto& [model, x] : kModels) {
    SCOPED_TRACE(model);
    auto onednn = LoadWith(CpuEngine::kOneDnn, model);
    ASSERT_TRUE(onednn.ok()) << onednn.status();
    const std::string expected = Answer(onednn->get(), x);
    if (model == kRecogniser) EXPECT_FALSE(PluginIsLoaded());
    auto openvino = LoadOpenVino(model);
    ASSERT_TRUE(openvino.ok()) << openvino.status();
    EXPECT_TRUE(PluginIsLoaded());
    const std::string actual = Answer(openvino->get(), x);
    // Probabilities; 8e-6 was seen.
    EXPECT_LT(Difference(actual, expected), 1e-4);
    EXPECT_NE(actual, expected) << "that was oneDNN";
    EXPECT_FALSE(std::filesystem::exists("__cache__"));
  }
}

TEST_F(OpenVinoTest, ComputesInBfloat16WhereTheCpuDoes) {
  const Tensor x = Picture({2, 3, 48, 320});
  auto bfloat16 = LoadWith(CpuEngine::kOpenVinoBfloat16, kRecogniser);
  if (!absl::StrContains(ReadFile("/proc/cpuinfo"), " avx512_bf16 ")) {
    ExpectError(bfloat16.status(), absl::StatusCode::kFailedPrecondition,
                "this CPU does not compute in bfloat16");
    return;
  }
  ASSERT_TRUE(bfloat16.ok()) << bfloat16.status();
  const std::string actual = Answer(bfloat16->get(), x);
  EXPECT_EQ(Answer(bfloat16->get(), x), actual);
  bfloat16->reset();
  auto float32 = LoadOpenVino(kRecogniser);
  ASSERT_TRUE(float32.ok()) << float32.status();
  const float difference = Difference(actual, Answer(float32->get(), x));
  EXPECT_LT(difference, 0.05);
  EXPECT_GT(difference, 1e-4) << "that was float32";
}

// Of each shape it kept its kernels: 2 MB each here, as long as it lived.
TEST_F(OpenVinoTest, MemoryIsThatOfOneShape) {
  auto engine = LoadOpenVino(kRecogniser);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto run_all = [&](int64_t from) {
    for (int64_t width = from; width <= 320; width += 4) {
      EXPECT_NE(Answer(engine->get(), Picture({1, 3, 48, width})), "");
    }
  };
  run_all(258);
  const int64_t before = ResidentBytes();
  run_all(64);
  EXPECT_LT(ResidentBytes() - before, 32 << 20);
}

TEST_F(OpenVinoTest, AnswersTheSameBits) {
  const Tensor x = Picture({3, 3, 48, 320});
  std::string expected;
  for (const int threads : {1, 2, 4}) {
    auto engine = LoadOpenVino(kRecogniser, threads);
    ASSERT_TRUE(engine.ok()) << engine.status();
    auto clone = (*engine)->Clone();
    ASSERT_TRUE(clone.ok()) << clone.status();
    for (Engine* one : {engine->get(), clone->get(), engine->get()}) {
      const std::string actual = Answer(one, x);
      if (expected.empty()) expected = actual;
      EXPECT_EQ(actual, expected) << threads;
    }
    // A row is the same alone.
    const size_t bytes = x.data.size() / 3;
    for (size_t row = 0; row < 3; ++row) {
      Tensor one = x;
      one.shape[0] = 1;
      one.data = x.data.substr(row * bytes, bytes);
      EXPECT_EQ(Answer(engine->get(), one),
                expected.substr(row * expected.size() / 3, expected.size() / 3))
          << row;
    }
  }
}

// Paddle answers such a run with the outputs of the one before.
TEST_F(OpenVinoTest, FailsWhereItCannotCompute) {
  auto engine = LoadOpenVino(kDetector);
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (int i = 0; i < 2; ++i) {
    ExpectError((*engine)->Run({Picture({1, 3, 77, 64})}).status(),
                absl::StatusCode::kInvalidArgument,
                "OpenVINO cannot compute with these inputs");
    const Tensor x = Picture({1, 3, 64, 96});
    const std::string first = Answer(engine->get(), x);
    EXPECT_EQ(first.size(), 64u * 96 * sizeof(float));
    EXPECT_EQ(Answer(engine->get(), x), first);
  }
}

// Paddle gives them one request of OpenVINO: of three clones in three threads
// two answered wrongly in every run.
TEST_F(OpenVinoTest, ClonesRunInThreadsOfTheirOwn) {
  auto engine = LoadOpenVino(kRecogniser);
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto other = LoadOpenVino(*trained_model);
  ASSERT_TRUE(other.ok()) << other.status();
  std::vector<std::unique_ptr<Engine>> clones;
  std::vector<std::string> expected;
  for (uint32_t i = 0; i < 3; ++i) {
    auto clone = (*engine)->Clone();
    ASSERT_TRUE(clone.ok()) << clone.status();
    clones.push_back(*std::move(clone));
    expected.push_back(Answer(clones[i].get(), Picture({1, 3, 48, 64}, i)));
  }
  Tensor picture = Picture({1, 3, 32, 32});
  picture.name = (*other)->inputs()[0].name;
  const std::string others = Answer(other->get(), picture);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int run = 0; run < 30; ++run) {
        const auto outputs = clones[i]->Run({Picture({1, 3, 48, 64}, i)});
        if (!outputs.ok() || (*outputs)[0].data != expected[i]) ++wrong;
      }
    });
  }
  threads.emplace_back([&] {
    for (int run = 0; run < 90; ++run) {
      const auto outputs = (*other)->Run({picture});
      if (!outputs.ok() || (*outputs)[0].data != others) ++wrong;
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(OpenVinoTest, ComputesOnTheCallersBytes) {
  class Copy : public OutputSink {
   public:
    absl::StatusOr<char*> Place(size_t, DataType, const std::vector<int64_t>&,
                                const Lod&, size_t bytes) override {
      data.assign(bytes, '\0');
      return data.data();
    }
    std::string data;
  };
  auto engine = LoadOpenVino(kRecogniser);
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const int64_t width : {64, 320, 64}) {
    const Tensor x = Picture({1, 3, 48, width});
    const std::string expected = Answer(engine->get(), x);
    std::string room(x.data.size() + kShareAlignment, '\0');
    const size_t at =
        -reinterpret_cast<uintptr_t>(room.data()) % kShareAlignment;
    std::memcpy(&room[at], x.data.data(), x.data.size());
    Copy copy;
    const absl::Status status =
        (*engine)->RunInto({{x.name,
                             x.dtype,
                             x.shape,
                             std::string_view(room).substr(at, x.data.size()),
                             {}}},
                           /*share_inputs=*/true, &copy);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(copy.data, expected);
    EXPECT_EQ(room.substr(at, x.data.size()), x.data);
  }
  ASSERT_TRUE((*engine)->Release().ok());
  EXPECT_NE(Answer(engine->get(), Picture({1, 3, 48, 64})), "");
}

// Paddle finds what it has compiled by names: a second one could replace the
// first.
TEST_F(OpenVinoTest, HasOneModelOfTheSameNames) {
  auto first = LoadOpenVino(*trained_model);
  ASSERT_TRUE(first.ok()) << first.status();
  ExpectError(LoadOpenVino(*trained_model).status(),
              absl::StatusCode::kFailedPrecondition, "clone that one");
  EXPECT_TRUE(LoadWith(CpuEngine::kOneDnn, *trained_model).ok());
  auto clone = (*first)->Clone();
  ASSERT_TRUE(clone.ok()) << clone.status();
  first->reset();
  ExpectError(LoadOpenVino(*trained_model).status(),
              absl::StatusCode::kFailedPrecondition, "clone that one");
  clone->reset();
  EXPECT_TRUE(LoadOpenVino(*trained_model).ok());
}

TEST_F(OpenVinoTest, RefusesWhatItCannotKeep) {
  ExpectError(LoadOpenVino("cc/engine/testdata/pir/cnn").status(),
              absl::StatusCode::kInvalidArgument,
              "is in Paddle 3's own format, of which Paddle gives OpenVINO "
              "nothing: export the model with FLAGS_enable_pir_api=0");
  ExpectError(LoadOpenVino("python/lac/lac").status(),
              absl::StatusCode::kInvalidArgument,
              "takes sequences of unequal length (LoD, words)");
  const std::string renamed = TempDir("renamed");
  std::filesystem::create_directories(renamed);
  for (const auto& [from, to] : {std::pair{"model.pdmodel", "__model__"},
                                 std::pair{"model.pdiparams", "__params__"}}) {
    std::filesystem::copy(*trained_model + "/" + from, renamed + "/" + to,
                          std::filesystem::copy_options::overwrite_existing);
  }
  ExpectError(LoadOpenVino(renamed).status(),
              absl::StatusCode::kInvalidArgument, "rename it to model.pdmodel");
  // An operator that OpenVINO does not know.
  const std::string unknown =
      WriteModel(TempDir("unknown"),
                 Program({ListVar("feed", 9), ListVar("fetch", 10),
                          TensorVar({"weight", 5, {2, 3}}, true),
                          TensorVar({"x", 5, {-1, 4}}, false),
                          TensorVar({"y", 5, {-1, 4}}, false)},
                         {Op("feed", "feed", "x", 0), Op("lgamma", "x", "y"),
                          Op("fetch", "y", "fetch", 0)}),
                 CopyParameters());
  EXPECT_TRUE(LoadWith(CpuEngine::kPlain, unknown).ok());
  ExpectError(LoadOpenVino(unknown).status(),
              absl::StatusCode::kInvalidArgument,
              "OpenVINO does not take it, compute with cpu_engine onednn: "
              "(Unavailable) Can't convert paddle model");
  // weight[a + b]: what is looked up is known in the run only.
  const std::string sum =
      Bytes(1, Bytes(1, "X") + Bytes(2, "a")) +
      Bytes(1, Bytes(1, "Y") + Bytes(2, "b")) +
      Bytes(2, Bytes(1, "Out") + Bytes(2, "c")) + Bytes(3, "elementwise_add") +
      Bytes(4, Bytes(1, "axis") + Number(2, 0) + Number(3, -1));
  const std::string gather =
      Bytes(1, Bytes(1, "X") + Bytes(2, "weight")) +
      Bytes(1, Bytes(1, "Index") + Bytes(2, "c")) +
      Bytes(2, Bytes(1, "Out") + Bytes(2, "y")) + Bytes(3, "gather") +
      Bytes(4, Bytes(1, "axis") + Number(2, 0) + Number(3, 0));
  std::vector<std::string> variables = {ListVar("feed", 9),
                                        ListVar("fetch", 10),
                                        TensorVar({"weight", 5, {2, 3}}, true)};
  for (const char* name : {"a", "b", "c"}) {
    variables.push_back(TensorVar({name, 3, {-1}}, false));
  }
  variables.push_back(TensorVar({"y", 5, {-1, 3}}, false));
  const std::string guarded =
      WriteModel(TempDir("guarded"),
                 Program(variables, {Op("feed", "feed", "a", 0),
                                     Op("feed", "feed", "b", 1), sum, gather,
                                     Op("fetch", "y", "fetch", 0)}),
                 CopyParameters());
  EXPECT_TRUE(LoadWith(CpuEngine::kPlain, guarded).ok());
  ExpectError(LoadOpenVino(guarded).status(),
              absl::StatusCode::kInvalidArgument,
              "OpenVINO has no guards: compute with cpu_engine onednn");
}

}  // namespace
}  // namespace engine
