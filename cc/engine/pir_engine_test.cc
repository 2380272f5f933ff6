// Models in Paddle 3's own format: line 3 runs them, line 2 says who does.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cc/engine/engine.h"
#include "cc/engine/npy.h"
#include "cc/engine/test_main.h"
#include "cc/engine/test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

constexpr char kModels[] = "cc/engine/testdata/pir/";

bool IsPaddle3() { return PaddleVersion()[0] == '3'; }

absl::StatusOr<std::unique_ptr<Engine>> LoadModel(
    const std::string& name, CpuEngine cpu_engine = CpuEngine::kOneDnn) {
  Options options;
  options.model_dir = kModels + name;
  options.cpu_engine = cpu_engine;
  return Engine::Load(options);
}

Tensor FromFile(const std::string& path, const std::string& name) {
  absl::StatusOr<Tensor> tensor = ReadNpy(ReadFile(path));
  EXPECT_TRUE(tensor.ok()) << path << ": " << tensor.status();
  if (!tensor.ok()) return {};
  tensor->name = name;
  return *std::move(tensor);
}

std::vector<Tensor> InputsOf(const std::string& name, const Engine& engine) {
  std::vector<Tensor> inputs;
  for (const TensorSpec& spec : engine.inputs()) {
    inputs.push_back(FromFile(
        absl::StrCat(kModels, name, "/in.", spec.name, ".npy"), spec.name));
  }
  return inputs;
}

std::vector<float> Floats(const Tensor& tensor) {
  EXPECT_EQ(tensor.dtype, DataType::kFloat32);
  std::vector<float> floats(tensor.data.size() / sizeof(float));
  std::memcpy(floats.data(), tensor.data.data(), floats.size() * sizeof(float));
  return floats;
}

// A copy of a model, whose program is changed.
std::string Changed(const std::string& name, const std::string& directory,
                    const std::string& program) {
  std::filesystem::create_directories(directory);
  std::filesystem::copy(absl::StrCat(kModels, name, "/model.pdiparams"),
                        directory + "/model.pdiparams",
                        std::filesystem::copy_options::overwrite_existing);
  std::ofstream(directory + "/model.json", std::ios::binary) << program;
  return directory;
}

// Whose bits they are is for tests in Python to say, which can ask it on the
// same CPU.
TEST(Pir, GivesWhatPaddleInferenceGives) {
  if (!IsPaddle3()) GTEST_SKIP() << "see Pir.IsForPaddle3";
  for (const char* name : {"branches", "cnn", "words"}) {
    for (const CpuEngine cpu_engine : {CpuEngine::kPlain, CpuEngine::kOneDnn}) {
      SCOPED_TRACE(absl::StrCat(name, " ", base::NameOf(cpu_engine)));
      auto engine = LoadModel(name, cpu_engine);
      ASSERT_TRUE(engine.ok()) << engine.status();
      ASSERT_EQ((*engine)->outputs().size(), 1u);
      const std::string output = (*engine)->outputs()[0].name;
      const Tensor wanted = FromFile(
          absl::StrCat(kModels, name, "/out.", output, ".npy"), output);
      auto clone = (*engine)->Clone();
      ASSERT_TRUE(clone.ok()) << clone.status();
      std::string first;
      for (Engine* one : {engine->get(), clone->get()}) {
        for (int i = 0; i < 2; ++i) {
          auto outputs = one->Run(InputsOf(name, *one));
          ASSERT_TRUE(outputs.ok()) << outputs.status();
          EXPECT_EQ((*outputs)[0].shape, wanted.shape);
          EXPECT_THAT(
              Floats((*outputs)[0]),
              testing::Pointwise(testing::FloatNear(1e-5f), Floats(wanted)));
          if (first.empty()) first = (*outputs)[0].data;
          EXPECT_TRUE((*outputs)[0].data == first);
        }
      }
    }
  }
}

TEST(Pir, IsForPaddle3) {
  if (IsPaddle3()) GTEST_SKIP() << "this is it";
  ExpectError(LoadModel("cnn").status(), absl::StatusCode::kInvalidArgument,
              "model.json is in Paddle 3's own format, and this is Paddle 2");
  ExpectError(LoadModel("cnn").status(), absl::StatusCode::kInvalidArgument,
              "use the image inference_paddle3");
}

TEST(Pir, HoldsValuesToTheirTables) {
  if (!IsPaddle3()) GTEST_SKIP() << "see Pir.IsForPaddle3";
  auto engine = LoadModel("words");
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const auto& [input, error] :
       {std::pair(0,
                  "the model takes 0 to 49 (row of an embedding table of 50 "
                  "rows)"),
        std::pair(1, "the model takes 0 to 7 (length")}) {
    std::vector<Tensor> inputs = InputsOf("words", **engine);
    inputs[static_cast<size_t>(input)].data[1] = 1;  // 256 more
    ExpectError((*engine)->Run(inputs).status(),
                absl::StatusCode::kInvalidArgument, error);
  }
}

TEST(Pir, RefusesDamagedFiles) {
  const std::string program = ReadFile(absl::StrCat(kModels, "cnn/model.json"));
  const std::string parameters =
      ReadFile(absl::StrCat(kModels, "cnn/model.pdiparams"));
  const std::string directory = TempDir("pir_damaged");
  Changed("cnn", directory, program.substr(0, program.size() / 2));
  ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
              directory + "/model.json is damaged: cut off");
  const std::string other =
      absl::StrReplaceAll(program, {{"[1800,10]", "[1800,11]"}});
  ASSERT_NE(other, program);
  Changed("cnn", directory, other);
  ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
              "/model.pdiparams is damaged");
  Changed("cnn", directory, program);
  std::ofstream(directory + "/model.pdiparams", std::ios::binary)
      << parameters.substr(0, parameters.size() - 1);
  ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
              "ends in the middle");
}

// Within a branch or a loop, Paddle ends the process for one in three.
TEST(Pir, SurvivesDamage) {
  if (!IsPaddle3()) GTEST_SKIP() << "see Pir.IsForPaddle3";
  const std::string program = ReadFile(absl::StrCat(kModels, "cnn/model.json"));
  const std::string directory = TempDir("pir_flipped");
  uint32_t random = 1;
  int refused = 0;
  constexpr int kFlips = 100;
  for (int i = 0; i < kFlips; ++i) {
    random = random * 1664525 + 1013904223;
    std::string damaged = program;
    damaged[(random >> 8) % damaged.size()] ^= 1 << (random >> 5) % 8;
    auto engine = LoadFrom(Changed("cnn", directory, damaged));
    refused += !engine.ok();
    if (engine.ok()) (*engine)->Run(InputsOf("cnn", **engine)).IgnoreError();
  }
  EXPECT_GT(refused, kFlips / 3);
}

}  // namespace
}  // namespace engine
