#include "cc/engine/engine.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cc/engine/test_main.h"
#include "cc/engine/test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Engine> LoadCopy(const std::vector<TestTensor>& tensors) {
  const std::string directory = TempDir("copy");
  WriteModel(directory, CopyProgram(tensors), CopyParameters());
  absl::StatusOr<std::unique_ptr<Engine>> engine = LoadFrom(directory);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

Tensor Floats(const std::string& name, std::vector<int64_t> shape) {
  size_t size = 1;
  for (int64_t dim : shape) size *= static_cast<size_t>(dim);
  std::vector<float> values(size);
  for (size_t i = 0; i < size; ++i) {
    values[i] = static_cast<float>(i % 17) / 16;
  }
  return {name, DataType::kFloat32, std::move(shape),
          std::string(reinterpret_cast<const char*>(values.data()), 4 * size)};
}

TEST(Load, ReportsWhatTheModelDeclares) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = LoadFrom(*trained_model);
  ASSERT_TRUE(engine.ok()) << engine.status();
  ASSERT_EQ((*engine)->inputs().size(), 1u);
  EXPECT_EQ((*engine)->inputs()[0].dtype, DataType::kFloat32);
  EXPECT_THAT((*engine)->inputs()[0].shape, ElementsAre(-1, 3, 32, 32));
  ASSERT_EQ((*engine)->outputs().size(), 1u);
  EXPECT_EQ((*engine)->outputs()[0].dtype, DataType::kFloat32);
  EXPECT_THAT((*engine)->outputs()[0].shape, ElementsAre(-1, 10));
}

TEST(Load, RefusesBadOptions) {
  ExpectError(LoadFrom("").status(), absl::StatusCode::kInvalidArgument,
              "no model directory");
  Options options;
  options.model_dir = *trained_model;
  for (int threads : {-1, 0, 1 << 20}) {
    options.threads = threads;
    ExpectError(Engine::Load(options).status(),
                absl::StatusCode::kInvalidArgument, "threads");
  }
}

TEST(Load, NamesTheMissingFile) {
  const std::string missing = TempDir("missing");
  ExpectError(LoadFrom(missing).status(), absl::StatusCode::kNotFound,
              missing + "/model.pdmodel");
  std::filesystem::create_directories(missing);
  ExpectError(LoadFrom(missing).status(), absl::StatusCode::kNotFound,
              missing + "/model.pdmodel is not there; the directory is empty");
  const std::string half = TempDir("half");
  WriteModel(half, CopyProgram({{"x", 5, {-1}}}), CopyParameters());
  std::filesystem::remove(half + "/model.pdiparams");
  ExpectError(LoadFrom(half).status(), absl::StatusCode::kNotFound,
              half + "/model.pdiparams");
  std::filesystem::create_directory(half + "/model.pdiparams");
  ExpectError(LoadFrom(half).status(), absl::StatusCode::kNotFound,
              "directory");
}

TEST(Load, NamesWhatIsThereInsteadAndTheCure) {
  const std::pair<std::string, std::string> kOthers[] = {
      {"__model__",
       "__model__ without __params__ has its parameters in a file each"},
      {"network.json", "network.json may be a program of Paddle 3"},
      {"best.pdparams", "best.pdparams holds the weights alone"},
      {"net.onnx", "net.onnx is no model of Paddle"},
      {"12", "Is the model the folder 12 in it?"},
      {"x.txt", "A model is a directory with model.pdmodel"}};
  for (const auto& [file, cure] : kOthers) {
    const std::string directory = TempDir("other_" + file);
    std::filesystem::create_directories(directory);
    std::ofstream(directory + "/" + file) << "?";
    const absl::Status status = LoadFrom(directory).status();
    ExpectError(status, absl::StatusCode::kNotFound, cure);
    ExpectError(status, absl::StatusCode::kNotFound,
                "the directory holds: " + file);
  }
}

TEST(Load, TakesTheOneProgramOfAnyName) {
  const std::string directory = TempDir("named");
  WriteModel(directory, CopyProgram({{"x", 5, {-1}}}), CopyParameters());
  const auto rename = [&](const std::string& from, const std::string& to) {
    for (const char* suffix : {".pdmodel", ".pdiparams"}) {
      std::filesystem::rename(directory + "/" + from + suffix,
                              directory + "/" + to + suffix);
    }
  };
  rename("model", "inference");
  EXPECT_TRUE(LoadFrom(directory).ok());
  // As macOS leaves beside what it copies.
  std::ofstream(directory + "/._inference.pdmodel") << "?";
  EXPECT_TRUE(LoadFrom(directory).ok());
  std::filesystem::copy(directory + "/inference.pdmodel",
                        directory + "/model.pdmodel");
  ExpectError(LoadFrom(directory).status(), absl::StatusCode::kInvalidArgument,
              "has 2 models: inference.pdmodel, model.pdmodel. Give each");
  std::filesystem::remove(directory + "/model.pdmodel");
  std::filesystem::rename(directory + "/inference.pdmodel",
                          directory + "/__model__");
  std::filesystem::rename(directory + "/inference.pdiparams",
                          directory + "/__params__");
  EXPECT_TRUE(LoadFrom(directory).ok());
}

TEST(Load, TakesANetworkWithoutParameters) {
  const std::string program = Program(
      {ListVar("feed", 9), ListVar("fetch", 10),
       TensorVar({"x", 5, {-1}}, false), TensorVar({"y", 5, {-1}}, false)},
      {Op("feed", "feed", "x", 0), Op("assign", "x", "y"),
       Op("fetch", "y", "fetch", 0)});
  const std::string directory = WriteModel(TempDir("bare"), program, "");
  const Tensor x = Floats("x", {3});
  for (const bool file : {true, false}) {
    if (!file) std::filesystem::remove(directory + "/model.pdiparams");
    auto engine = LoadFrom(directory);
    ASSERT_TRUE(engine.ok()) << engine.status();
    const auto outputs = (*engine)->Run({x});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_EQ((*outputs)[0].data, x.data);
  }
  WriteModel(directory, program, "?");
  ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
              "1 bytes follow after the last parameter");
}

// As `for ...: outs.append(x)` leaves it: nothing before the loop writes it.
TEST(Load, TakesAListThatIsAppendedTo) {
  const std::string list =
      Bytes(1, "list") +
      Bytes(2, Number(1, 13) +
                   Bytes(4, Bytes(1, TensorDescBytes({"", 5, {-1}})))) +
      Number(3, 0);
  const std::string length = Op("lod_array_length", "list", "n");
  const std::vector<std::string> variables = {ListVar("feed", 9),
                                              ListVar("fetch", 10),
                                              list,
                                              TensorVar({"x", 5, {-1}}, false),
                                              TensorVar({"y", 5, {-1}}, false),
                                              TensorVar({"n", 3, {1}}, false)};
  auto engine =
      LoadFrom(WriteModel(TempDir("list"),
                          Program(variables, {Op("feed", "feed", "x", 0),
                                              length, Op("assign", "x", "y"),
                                              Op("fetch", "n", "fetch", 0)}),
                          ""));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto outputs = (*engine)->Run({Floats("x", {3})});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ((*outputs)[0].data, std::string(8, '\0'));
}

TEST(Run, CarriesEveryType) {
  const std::pair<DataType, int> kTypes[] = {
      {DataType::kBool, 0},    {DataType::kUint8, 20}, {DataType::kInt8, 21},
      {DataType::kInt32, 2},   {DataType::kInt64, 3},  {DataType::kFloat16, 4},
      {DataType::kFloat32, 5}, {DataType::kFloat64, 6}};
  std::vector<TestTensor> tensors;
  for (const auto& [type, code] : kTypes) {
    tensors.push_back({NameOf(type), code, {-1, 2}});
  }
  std::unique_ptr<Engine> engine = LoadCopy(tensors);
  ASSERT_NE(engine, nullptr);
  std::vector<Tensor> inputs;
  for (const auto& [type, code] : kTypes) {
    std::string data;
    for (size_t i = 0; i < 6 * SizeOf(type); ++i) {
      data += static_cast<char>(type == DataType::kBool ? i % 2 : i * 3 + code);
    }
    // The order of the inputs does not matter.
    inputs.insert(inputs.begin(), {NameOf(type), type, {3, 2}, data});
  }
  absl::StatusOr<std::vector<Tensor>> outputs = engine->Run(inputs);
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  ASSERT_EQ(outputs->size(), std::size(kTypes));
  for (size_t i = 0; i < outputs->size(); ++i) {
    const auto& [type, code] = kTypes[i];
    EXPECT_EQ(engine->inputs()[i].name, NameOf(type));
    EXPECT_EQ(engine->inputs()[i].dtype, type);
    EXPECT_EQ((*outputs)[i].name, engine->outputs()[i].name);
    EXPECT_EQ((*outputs)[i].dtype, type);
    EXPECT_THAT((*outputs)[i].shape, ElementsAre(3, 2));
    EXPECT_EQ((*outputs)[i].data, inputs[inputs.size() - 1 - i].data)
        << NameOf(type);
  }
}

TEST(Run, ChecksEveryInput) {
  std::unique_ptr<Engine> engine =
      LoadCopy({{"x", 5, {-1, 2}}, {"flag", 0, {1}}});
  ASSERT_NE(engine, nullptr);
  const Tensor flag{"flag", DataType::kBool, {1}, "\1"};
  const Tensor x = Floats("x", {3, 2});
  const auto invalid = [&](std::vector<Tensor> inputs,
                           const std::string& part) {
    ExpectError(engine->Run(inputs).status(),
                absl::StatusCode::kInvalidArgument, part);
  };
  invalid({}, "input x is missing");
  invalid({x}, "input flag is missing");
  invalid({x, flag, x}, "given twice");
  invalid({x, flag, Floats("z", {1})}, "no input z; its inputs are: x, flag");
  Tensor bad = x;
  bad.dtype = DataType::kInt32;
  invalid({bad, flag}, "its type is INT32, the model takes FP32");
  bad = Floats("x", {6});
  invalid({bad, flag}, "has 1 dimensions");
  bad = Floats("x", {2, 3});
  invalid({bad, flag}, "its shape is [2, 3], the model takes [-1, 2]");
  for (int64_t dim :
       {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    bad = x;
    bad.shape[0] = dim;
    invalid({bad, flag}, "its shape is");
  }
  for (int64_t dim : {int64_t{1} << 31, int64_t{1} << 62,
                      std::numeric_limits<int64_t>::max()}) {
    bad = x;
    bad.shape[0] = dim;
    invalid({bad, flag}, "more than 2147483647 elements");
  }
  bad = x;
  bad.data.pop_back();
  invalid({bad, flag}, "it has 23 bytes, FP32 of shape [3, 2] has 24");
  bad.data += "12";
  invalid({bad, flag}, "it has 25 bytes");
  invalid({x, {"flag", DataType::kBool, {1}, "\2"}}, "a BOOL element");
  EXPECT_TRUE(engine->Run({x, flag}).ok());
}

TEST(Load, ReportsLevelsOfOffsets) {
  std::unique_ptr<Engine> engine =
      LoadCopy({{"x", 5, {-1, 2}}, {"words", 5, {-1, 1}, 1}});
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->inputs()[0].lod_level, 0);
  EXPECT_EQ(engine->inputs()[1].lod_level, 1);
  EXPECT_EQ(engine->outputs()[0].lod_level, 0);
  EXPECT_EQ(engine->outputs()[1].lod_level, 1);
}

TEST(Run, CarriesOffsets) {
  std::unique_ptr<Engine> engine = LoadCopy(
      {{"x", 5, {-1, 2}}, {"words", 5, {-1, 1}, 1}, {"t", 5, {-1}, 2}});
  ASSERT_NE(engine, nullptr);
  for (const Lod& lod : {Lod{{0, 2, 5}}, Lod{{0, 5}}, Lod{{0, 1, 2, 3, 5}}}) {
    Tensor words = Floats("words", {5, 1});
    words.lod = lod;
    Tensor deep = Floats("t", {4});
    deep.lod = {{0, 2, 3}, {0, 1, 3, 4}};
    const auto outputs = engine->Run({Floats("x", {3, 2}), words, deep});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_EQ((*outputs)[0].lod, Lod{});
    EXPECT_EQ((*outputs)[1].lod, lod);
    EXPECT_EQ((*outputs)[1].data, words.data);
    EXPECT_EQ((*outputs)[2].lod, deep.lod);
  }
}

TEST(Run, ChecksOffsets) {
  std::unique_ptr<Engine> engine = LoadCopy(
      {{"x", 5, {-1, 2}}, {"words", 5, {-1, 1}, 1}, {"t", 5, {-1}, 2}});
  ASSERT_NE(engine, nullptr);
  Tensor x = Floats("x", {3, 2});
  Tensor words = Floats("words", {5, 1});
  Tensor deep = Floats("t", {4});
  const auto invalid = [&](const Lod& lod, const std::string& part) {
    words.lod = lod;
    ExpectError(engine->Run({x, words, deep}).status(),
                absl::StatusCode::kInvalidArgument, "input words: " + part);
  };
  invalid({}, "it has 0 levels of offsets (LoD), the model takes 1");
  invalid({{0, 5}, {0, 5}}, "it has 2 levels of offsets (LoD)");
  invalid({{}}, "level 0 of its offsets (LoD) does not begin with 0");
  invalid({{1, 5}}, "level 0 of its offsets (LoD) does not begin with 0");
  invalid({{0, 3, 2, 5}}, "level 0 of its offsets (LoD) does not ascend: 2");
  invalid({{0, 2, 2, 5}}, "level 0 of its offsets (LoD) does not ascend: 2");
  invalid({{0, -1, 5}}, "level 0 of its offsets (LoD) does not ascend: -1");
  invalid({{0, 4}},
          "level 0 of its offsets (LoD) ends with 4, the tensor has 5");
  invalid({{0}}, "level 0 of its offsets (LoD) ends with 0, the tensor has 5");
  words.lod = {{0, 5}};
  deep.lod = {{0, 2}, {0, 1, 3, 4}};
  ExpectError(engine->Run({x, words, deep}).status(),
              absl::StatusCode::kInvalidArgument,
              "input t: level 0 of its offsets (LoD) ends with 2, the next "
              "level has 3 sequences");
  deep.lod[0] = {0, 3};
  x.lod = {{0, 3}};
  ExpectError(
      engine->Run({x, words, deep}).status(),
      absl::StatusCode::kInvalidArgument,
      "input x: it has offsets of sequences (LoD), the model takes none");
  x.lod = {};
  EXPECT_TRUE(engine->Run({x, words, deep}).ok());
}

TEST(Run, SumsEachSequence) {
  // A real operator over sequences; MaxIndex is what it leaves for training.
  const std::string pool =
      Bytes(1, Bytes(1, "X") + Bytes(2, "x")) +
      Bytes(2, Bytes(1, "Out") + Bytes(2, "y")) +
      Bytes(2, Bytes(1, "MaxIndex") + Bytes(2, "index")) +
      Bytes(3, "sequence_pool") +
      Bytes(4, Bytes(1, "pooltype") + Number(2, 2) + Bytes(5, "SUM"));
  const std::vector<std::string> variables = {
      ListVar("feed", 9),
      ListVar("fetch", 10),
      TensorVar({"weight", 5, {2, 3}}, true),
      TensorVar({"x", 5, {-1, 1}, 1}, false),
      TensorVar({"y", 5, {-1, 1}}, false),
      TensorVar({"index", 2, {-1, 1}}, false)};
  const std::string program =
      Program(variables,
              {Op("feed", "feed", "x", 0), pool, Op("fetch", "y", "fetch", 0)});
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      LoadFrom(WriteModel(TempDir("pool"), program, CopyParameters()));
  ASSERT_TRUE(engine.ok()) << engine.status();
  Tensor x = Floats("x", {5, 1});  // 0, 1, 2, 3, 4 sixteenths
  const std::pair<Lod, std::vector<float>> kSums[] = {
      {{{0, 2, 5}}, {1, 9}}, {{{0, 5}}, {10}}, {{{0, 1, 2, 5}}, {0, 1, 9}}};
  for (const auto& [lod, sums] : kSums) {
    x.lod = lod;
    const auto outputs = (*engine)->Run({x});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    std::vector<float> got(sums.size());
    ASSERT_EQ((*outputs)[0].data.size(), 4 * sums.size());
    std::memcpy(got.data(), (*outputs)[0].data.data(), 4 * sums.size());
    for (float& sum : got) sum *= 16;
    EXPECT_EQ(got, sums);
    EXPECT_EQ((*outputs)[0].lod, Lod{});
  }
}

TEST(RunViews, ReadsBytesWhereTheyLie) {
  std::unique_ptr<Engine> engine = LoadCopy({{"x", 5, {-1, 2}}});
  ASSERT_NE(engine, nullptr);
  // Not aligned, and followed by other bytes.
  const std::string bytes = "?" + Floats("x", {3, 2}).data + "?";
  const std::string_view data = std::string_view(bytes).substr(1, 24);
  const auto outputs =
      engine->RunViews({{"x", DataType::kFloat32, {3, 2}, data}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ((*outputs)[0].data, data);
  ExpectError(engine->RunViews({}).status(), absl::StatusCode::kInvalidArgument,
              "input x is missing");
}

TEST(Run, SurvivesWhatTheModelCannotCompute) {
  // The second dimension is open, but only 2 fits the weight.
  const std::vector<std::string> variables = {
      ListVar("feed", 9), ListVar("fetch", 10),
      TensorVar({"weight", 5, {2, 3}}, true),
      TensorVar({"x", 5, {-1, -1}}, false),
      TensorVar({"y", 5, {-1, 3}}, false)};
  const std::string program = Program(
      variables, {Op("feed", "feed", "x", 0), MatMul("x", "weight", "y"),
                  Op("fetch", "y", "fetch", 0)});
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      LoadFrom(WriteModel(TempDir("matmul"), program, CopyParameters()));
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE((*engine)->Run({Floats("x", {4, 2})}).ok());
    const absl::Status status = (*engine)->Run({Floats("x", {4, 5})}).status();
    ExpectError(status, absl::StatusCode::kInvalidArgument,
                "running the model failed");
    // A sentence for users: neither Paddle's source path nor its expression.
    EXPECT_THAT(std::string(status.message()),
                testing::Not(HasSubstr("/paddle/")));
  }
  const auto outputs = (*engine)->Run({Floats("x", {4, 2})});
  EXPECT_THAT((*outputs)[0].shape, ElementsAre(4, 3));
}

TEST(Run, TellsPaddlesErrorWithoutTheCallStackOfTheProgram) {
  const std::string stack =
      Bytes(4, Bytes(1, "op_callstack") + Number(2, 5) +
                   Bytes(8, "  File \"/secret/train.py\", line 7") +
                   Bytes(8, "    raise ValueError: x"));
  const std::vector<std::string> variables = {
      ListVar("feed", 9), ListVar("fetch", 10),
      TensorVar({"weight", 5, {2, 3}}, true), TensorVar({"x", 5, {-1}}, false),
      TensorVar({"y", 5, {-1}}, false)};
  // The kernel's error, not that of the shapes: which carries no stack.
  const std::string cumsum =
      Bytes(1, Bytes(1, "X") + Bytes(2, "x")) +
      Bytes(2, Bytes(1, "Out") + Bytes(2, "y")) + Bytes(3, "cumsum") +
      Bytes(4, Bytes(1, "axis") + Number(2, 0) + Number(3, 5)) + stack;
  auto engine = LoadFrom(
      WriteModel(TempDir("stack"),
                 Program(variables, {Op("feed", "feed", "x", 0), cumsum,
                                     Op("fetch", "y", "fetch", 0)}),
                 CopyParameters()));
  ASSERT_TRUE(engine.ok()) << engine.status();
  const absl::Status status = (*engine)->Run({Floats("x", {4})}).status();
  ExpectError(status, absl::StatusCode::kInvalidArgument, "(OutOfRange) ");
  ExpectError(status, absl::StatusCode::kInvalidArgument, "(operator cumsum)");
  EXPECT_THAT(std::string(status.message()), testing::Not(HasSubstr("secret")));
}

TEST(Run, GivesTheSameBitsAgainAndInBatches) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = LoadFrom(*trained_model);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const std::string name = (*engine)->inputs()[0].name;
  const auto one = (*engine)->Run({Floats(name, {1, 3, 32, 32})});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT((*one)[0].shape, ElementsAre(1, 10));
  const auto many = (*engine)->Run({Floats(name, {5, 3, 32, 32})});
  EXPECT_THAT((*many)[0].shape, ElementsAre(5, 10));
  const auto again = (*engine)->Run({Floats(name, {1, 3, 32, 32})});
  EXPECT_EQ((*one)[0].data, (*again)[0].data);
}

// Both change the order of sums at most.
TEST(Run, GivesTheSameNumbersWithThreadsAndWithoutOneDnn) {
  std::vector<std::string> data;
  for (const auto& [threads, cpu_engine] :
       {std::pair{1, CpuEngine::kOneDnn}, std::pair{2, CpuEngine::kOneDnn},
        std::pair{1, CpuEngine::kPlain}}) {
    Options options;
    options.model_dir = *trained_model;
    options.threads = threads;
    options.cpu_engine = cpu_engine;
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Load(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    const Tensor x = Floats((*engine)->inputs()[0].name, {2, 3, 32, 32});
    data.push_back((*(*engine)->Run({x}))[0].data);
  }
  for (const std::string& other : data) {
    ASSERT_EQ(other.size(), data[0].size());
    for (size_t i = 0; i < other.size(); i += sizeof(float)) {
      float expected, actual;
      std::memcpy(&expected, &data[0][i], sizeof(float));
      std::memcpy(&actual, &other[i], sizeof(float));
      EXPECT_NEAR(actual, expected, 1e-3);
    }
  }
}

TEST(Clone, RunsInAThreadOfItsOwnAndOutlivesTheFirst) {
  absl::StatusOr<std::unique_ptr<Engine>> first = LoadFrom(*trained_model);
  ASSERT_TRUE(first.ok()) << first.status();
  const Tensor x = Floats((*first)->inputs()[0].name, {2, 3, 32, 32});
  const std::string expected = (*(*first)->Run({x}))[0].data;
  constexpr int kThreads = 4;
  std::vector<std::unique_ptr<Engine>> clones;
  for (int i = 0; i < kThreads; ++i) {
    absl::StatusOr<std::unique_ptr<Engine>> clone = (*first)->Clone();
    ASSERT_TRUE(clone.ok()) << clone.status();
    EXPECT_EQ((*clone)->inputs()[0].name, x.name);
    clones.push_back(*std::move(clone));
  }
  first->reset();
  std::vector<int> wrong(kThreads, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int run = 0; run < 50; ++run) {
        const auto outputs = clones[i]->Run({x});
        wrong[i] += !outputs.ok() || (*outputs)[0].data != expected;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST(Load, NamesTheElementTypeThatIsNotServed) {
  const auto status = [](const std::vector<std::string>& variables,
                         const std::vector<std::string>& operators) {
    return LoadFrom(WriteModel(TempDir("types"), Program(variables, operators),
                               CopyParameters()))
        .status();
  };
  const auto cast = [&](int from, int to) {
    return status({ListVar("feed", 9), ListVar("fetch", 10),
                   TensorVar({"weight", 5, {2, 3}}, true),
                   TensorVar({"x", from, {-1}}, false),
                   TensorVar({"y", to, {-1}}, false)},
                  {Op("feed", "feed", "x", 0), Op("cast", "x", "y"),
                   Op("fetch", "y", "fetch", 0)});
  };
  ExpectError(cast(1, 5), absl::StatusCode::kInvalidArgument,
              "INT16 of input x is not served: declare it as INT32 and cast it "
              "in the model before the export");
  ExpectError(cast(5, 22), absl::StatusCode::kInvalidArgument,
              "BF16 of output y is not served: cast it to FP32 before the "
              "export");
  ExpectError(cast(23, 5), absl::StatusCode::kInvalidArgument,
              "COMPLEX64 of input x is not served");
}

}  // namespace
}  // namespace engine
