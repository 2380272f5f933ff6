// Runs without copies give the same bits, and leave nothing of the caller's
// memory in Paddle's hands.
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cc/engine/engine.h"
#include "cc/engine/test_main.h"
#include "cc/engine/test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

// Memory that is gone afterwards: whoever touches it then ends the process.
class Mapping {
 public:
  explicit Mapping(std::string_view data) : size_(data.size()) {
    bytes_ = static_cast<char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::memcpy(bytes_, data.data(), size_);
  }
  Mapping(Mapping&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(other.size_) {}
  ~Mapping() {
    if (bytes_ != nullptr) munmap(bytes_, size_);
  }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  char* bytes_;
  size_t size_;
};

struct Output {
  size_t index;
  DataType dtype;
  std::vector<int64_t> shape;
  Lod lod;
  std::string data;
};

class Sink : public OutputSink {
 public:
  absl::StatusOr<char*> Place(size_t index, DataType dtype,
                              const std::vector<int64_t>& shape, const Lod& lod,
                              size_t bytes) override {
    if (full) return absl::ResourceExhaustedError("no room for an output");
    outputs.push_back({index, dtype, shape, lod, std::string(bytes, '?')});
    return outputs.back().data.data();
  }

  bool full = false;
  std::vector<Output> outputs;
};

std::string Floats(size_t count, size_t seed) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const float value = static_cast<float>((i * 7 + seed) % 23) / 23 - 0.3f;
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

// One run on bytes that are unmapped after it.
std::string Shared(Engine* engine, const std::vector<int64_t>& shape,
                   const std::string& data, bool* kept = nullptr) {
  const Mapping input(data);
  Sink sink;
  const absl::Status status = engine->RunInto(
      {{engine->inputs()[0].name, DataType::kFloat32, shape, input.view()}},
      /*share_inputs=*/true, &sink);
  EXPECT_TRUE(status.ok()) << status;
  if (kept != nullptr) *kept = input.view() == data;
  return sink.outputs.empty() ? "" : sink.outputs[0].data;
}

std::string Copied(Engine* engine, const std::vector<int64_t>& shape,
                   const std::string& data) {
  const auto outputs = engine->Run(
      {{engine->inputs()[0].name, DataType::kFloat32, shape, data}});
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? (*outputs)[0].data : "";
}

TEST(RunInto, GivesTheBitsOfRunForATrainedModel) {
  auto engine = LoadFrom(*trained_model);
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto other = LoadFrom(*trained_model);
  ASSERT_TRUE(other.ok()) << other.status();
  for (const int64_t batch : {1, 3, 32, 2, 1, 7}) {
    const std::vector<int64_t> shape = {batch, 3, 32, 32};
    for (size_t seed = 0; seed < 3; ++seed) {
      const std::string data = Floats(batch * 3 * 32 * 32, seed);
      const std::string expected = Copied(other->get(), shape, data);
      ASSERT_EQ(expected.size(), batch * 10 * sizeof(float));
      bool kept = false;
      EXPECT_EQ(Shared(engine->get(), shape, data, &kept), expected);
      EXPECT_TRUE(kept);
      // By turns: a copy must not go to what was shared before.
      if (seed == 1) continue;
      EXPECT_EQ(Copied(engine->get(), shape, data), expected);
    }
  }
}

// The operators of `ops` between feed of x and fetch of y.
std::unique_ptr<Engine> Load(const std::vector<std::string>& ops) {
  std::vector<std::string> variables = {ListVar("feed", 9),
                                        ListVar("fetch", 10),
                                        TensorVar({"weight", 5, {2, 3}}, true)};
  for (const char* variable : {"x", "a", "b", "y"}) {
    variables.push_back(TensorVar({variable, 5, {-1, 4}}, false));
  }
  std::vector<std::string> operators = {Op("feed", "feed", "x", 0)};
  operators.insert(operators.end(), ops.begin(), ops.end());
  operators.push_back(Op("fetch", "y", "fetch", 0));
  Options options;
  options.cpu_engine =
      CpuEngine::kPlain;  // its sums want attributes that these have not
  options.model_dir = WriteModel(
      TempDir("in_place"), Program(variables, operators), CopyParameters());
  auto engine = Engine::Load(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

std::string Add(const std::string& x, const std::string& y,
                const std::string& out) {
  return Bytes(1, Bytes(1, "X") + Bytes(2, x)) +
         Bytes(1, Bytes(1, "Y") + Bytes(2, y)) +
         Bytes(2, Bytes(1, "Out") + Bytes(2, out)) +
         Bytes(3, "elementwise_add") +
         Bytes(4, Bytes(1, "axis") + Number(2, 0) + Number(3, -1));
}

// Each by itself changes x, or something that Paddle may give x's memory.
TEST(RunInto, BearsOperatorsThatWorkInPlace) {
  const std::vector<std::vector<std::string>> kModels = {
      {Op("relu", "x", "x"), Op("assign", "x", "y")},
      {Op("assign", "x", "a"), Op("relu", "a", "a"), Op("assign", "a", "y")},
      {Op("relu", "x", "a"), Add("a", "x", "y")},
      {Op("assign", "x", "y")},
      {Add("x", "x", "x"), Op("relu", "x", "x"), Op("assign", "x", "y")},
  };
  for (size_t i = 0; i < kModels.size(); ++i) {
    const auto engine = Load(kModels[i]);
    const auto other = Load(kModels[i]);
    ASSERT_NE(engine, nullptr);
    ASSERT_NE(other, nullptr);
    for (const int64_t rows : {1, 5000, 3, 5000, 6000}) {
      const std::string data = Floats(rows * 4, i);
      const std::string expected = Copied(other.get(), {rows, 4}, data);
      bool kept = false;
      EXPECT_EQ(Shared(engine.get(), {rows, 4}, data, &kept), expected) << i;
      EXPECT_TRUE(kept) << i;
      EXPECT_EQ(Copied(engine.get(), {rows, 4}, data), expected) << i;
    }
  }
}

TEST(RunInto, TellsTheSinkWhatARunGives) {
  const std::string directory = TempDir("sink");
  WriteModel(directory,
             CopyProgram({{"words", 3, {-1, 1}, 1}, {"flag", 0, {2}}}),
             CopyParameters());
  const auto engine = LoadFrom(directory);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const Mapping words(std::string(5 * 8, '\1'));
  const Mapping flag(std::string("\0\1", 2));
  const std::vector<TensorView> inputs = {
      {"flag", DataType::kBool, {2}, flag.view()},
      {"words", DataType::kInt64, {5, 1}, words.view(), {{0, 2, 5}}}};
  Sink sink;
  ASSERT_TRUE((*engine)->RunInto(inputs, /*share_inputs=*/true, &sink).ok());
  ASSERT_EQ(sink.outputs.size(), 2u);
  EXPECT_EQ(sink.outputs[0].index, 0u);
  EXPECT_EQ(sink.outputs[0].dtype, DataType::kInt64);
  EXPECT_THAT(sink.outputs[0].shape, testing::ElementsAre(5, 1));
  EXPECT_EQ(sink.outputs[0].lod, (Lod{{0, 2, 5}}));
  EXPECT_EQ(sink.outputs[0].data, words.view());
  EXPECT_EQ(sink.outputs[1].index, 1u);
  EXPECT_EQ(sink.outputs[1].dtype, DataType::kBool);
  EXPECT_EQ(sink.outputs[1].data, flag.view());

  // Its error is the run's, and the instance can be used again.
  Sink full;
  full.full = true;
  ExpectError((*engine)->RunInto(inputs, /*share_inputs=*/true, &full),
              absl::StatusCode::kResourceExhausted, "no room for an output");
  Sink again;
  EXPECT_TRUE((*engine)->RunInto(inputs, /*share_inputs=*/false, &again).ok());
  EXPECT_EQ(again.outputs.size(), 2u);
}

TEST(RunInto, ChecksItsInputs) {
  auto engine = LoadFrom(*trained_model);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const std::string& name = (*engine)->inputs()[0].name;
  const Mapping mapping("...." + Floats(3 * 32 * 32, 0));
  const TensorView unaligned = {
      name, DataType::kFloat32, {1, 3, 32, 32}, mapping.view().substr(4)};
  Sink sink;
  ExpectError((*engine)->RunInto({unaligned}, /*share_inputs=*/true, &sink),
              absl::StatusCode::kInvalidArgument,
              "its bytes do not begin at a multiple of 64");
  EXPECT_TRUE((*engine)->CheckInputs({unaligned}).ok());
  EXPECT_TRUE(
      (*engine)->RunInto({unaligned}, /*share_inputs=*/false, &sink).ok());
  ExpectError((*engine)->CheckInputs({}), absl::StatusCode::kInvalidArgument,
              "is missing");
  ExpectError((*engine)->RunInto({}, /*share_inputs=*/true, &sink),
              absl::StatusCode::kInvalidArgument, "is missing");
}

}  // namespace
}  // namespace engine
