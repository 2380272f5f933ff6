// Damaged model files are refused with a status, wherever the damage is.
#include <string>
#include <vector>

#include "cc/engine/engine.h"
#include "cc/engine/test_main.h"
#include "cc/engine/test_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

// Cut off anywhere, neither file loads: not even in the last tensor's data,
// where Paddle by itself would read garbage.
TEST(Damage, RefusesTruncatedFiles) {
  const std::string program = ReadFile(*trained_model + "/model.pdmodel");
  const std::string parameters = ReadFile(*trained_model + "/model.pdiparams");
  ASSERT_GT(parameters.size(), 1000u);
  const std::string directory = TempDir("truncated");
  constexpr size_t kSteps = 97;
  for (size_t i = 0; i < kSteps; ++i) {
    WriteModel(directory, program.substr(0, program.size() * i / kSteps),
               parameters);
    ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
                directory + "/model.pdmodel is damaged");
    WriteModel(directory, program,
               parameters.substr(0, parameters.size() * i / kSteps));
    ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
                directory + "/model.pdiparams is damaged");
  }
  WriteModel(directory, program, parameters.substr(0, parameters.size() - 1));
  ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
              "ends in the middle");
  WriteModel(directory, program, parameters + "x");
  ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
              "1 bytes follow");
  WriteModel(directory, program, parameters);
  EXPECT_TRUE(LoadFrom(directory).ok());
}

// One wrong bit may go unnoticed, but never crashes, hangs or takes gigabytes.
TEST(Damage, SurvivesFlippedBits) {
  const std::string program = ReadFile(*trained_model + "/model.pdmodel");
  const std::string parameters = ReadFile(*trained_model + "/model.pdiparams");
  const std::string directory = TempDir("flipped");
  uint32_t random = 1;
  int refused = 0;
  constexpr int kFlips = 600;
  for (int i = 0; i < kFlips; ++i) {
    random = random * 1664525 + 1013904223;
    std::string damaged = program;
    damaged[(random >> 8) % damaged.size()] ^= 1 << (random >> 5) % 8;
    WriteModel(directory, damaged, parameters);
    absl::StatusOr<std::unique_ptr<Engine>> engine = LoadFrom(directory);
    refused += !engine.ok();
    if (engine.ok()) {
      const Tensor image{(*engine)->inputs()[0].name,
                         DataType::kFloat32,
                         {1, 3, 32, 32},
                         std::string(4 * 3 * 32 * 32, '\0')};
      (*engine)->Run({image}).IgnoreError();
    }
  }
  EXPECT_GT(refused, kFlips / 3);
}

TEST(Damage, RefusesDamagedParameters) {
  const std::string program = CopyProgram({{"x", 5, {-1}}});
  const std::string data(24, '\0');
  const std::string good = CopyParameters();
  const auto expect = [&](const std::string& parameters,
                          const std::string& part) {
    const std::string directory = TempDir("parameters");
    WriteModel(directory, program, parameters);
    ExpectError(LoadFrom(directory).status(), absl::StatusCode::kDataLoss,
                part);
  };
  expect("", "ends in the middle");
  expect(Parameter({"", 5, {3, 2}}, data), "its shape is [3, 2]");
  expect(Parameter({"", 5, {-2, -3}}, data), "its shape is [-2, -3]");
  expect(Parameter({"", 7, {2, 3}}, data), "malformed description");
  expect(Parameter({"", 2, {2, 3}}, data),
         "its type is INT32, the program declares FP32");
  std::string bytes = good;
  bytes[0] = 1;
  expect(bytes, "format version 1");
  // 2^62 levels of detail, each with a size of its own.
  bytes = good;
  bytes[11] = 0x40;
  expect(bytes, "ends in the middle");
  // A description of 2 GB, and of less than nothing.
  for (unsigned char top : {0x7f, 0xff}) {
    bytes = good;
    bytes[19] = static_cast<char>(top);
    expect(bytes, "a description of");
  }
}

TEST(Damage, RefusesProgramsThatReferToNothing) {
  const std::string x = TensorVar({"x", 5, {-1}}, false);
  const std::string y = TensorVar({"y", 5, {-1}}, false);
  const std::string w = TensorVar({"weight", 5, {2, 3}}, true);
  const std::string feed = ListVar("feed", 9);
  const std::string fetch = ListVar("fetch", 10);
  const auto load = [&](const std::vector<std::string>& variables,
                        const std::vector<std::string>& operators) {
    return LoadFrom(WriteModel(TempDir("references"),
                               Program(variables, operators), CopyParameters()))
        .status();
  };
  const std::string feed_x = Op("feed", "feed", "x", 0);
  const std::string copy = Op("assign", "x", "y");
  const std::string fetch_y = Op("fetch", "y", "fetch", 0);
  const std::vector<std::string> variables = {feed, fetch, w, x, y};
  EXPECT_TRUE(load(variables, {feed_x, copy, fetch_y}).ok());
  const absl::StatusCode lost = absl::StatusCode::kDataLoss;
  // The number of the field that holds "x" is 3 instead of 2.
  std::string renumbered = copy;
  renumbered[renumbered.find("\x12\x01x")] = 3 << 3 | 2;
  ExpectError(load(variables, {feed_x, renumbered, fetch_y}), lost,
              "malformed operator");
  ExpectError(load({feed, fetch, w, x}, {feed_x, copy, fetch_y}), lost,
              "names the variable \"y\"");
  ExpectError(load(variables, {feed_x, fetch_y, copy}), lost,
              "reads \"y\", which nothing before it writes");
  ExpectError(load(variables, {Op("feed", "", "x", 0), copy, fetch_y}), lost,
              "feed");
  ExpectError(load(variables, {feed_x, copy, Op("fetch", "y", "", 0)}), lost,
              "fetch");
  ExpectError(load(variables, {Op("no\nsuch", "weight", "y"), feed_x, fetch_y}),
              absl::StatusCode::kInvalidArgument, "Paddle");
  ExpectError(
      load(variables, {feed_x, Op("assign", "x\x01\xff", "y"), fetch_y}), lost,
      "\"x\\x01\\xff\"");
  // Protobuf merges a message that is there twice: [2] and [3] are [2, 3].
  for (const std::string& twice :
       {Number(1, 7) + Bytes(3, Bytes(1, TensorDescBytes({"", 5, {2}})) +
                                    Bytes(1, TensorDescBytes({"", 5, {3}}))),
        Number(1, 7) + Bytes(3, Bytes(1, TensorDescBytes({"", 5, {2}}))) +
            Bytes(3, Bytes(1, TensorDescBytes({"", 5, {3}})))}) {
    ExpectError(load({feed, fetch, w, x, Bytes(1, "y") + Bytes(2, twice)},
                     {feed_x, copy, fetch_y}),
                lost, "malformed variable \"y\"");
  }
  ExpectError(load({feed, fetch, w, x, y + Bytes(2, Number(1, 7))},
                   {feed_x, copy, fetch_y}),
              lost, "malformed variable \"y\"");
  ExpectError(load(variables, {copy}), absl::StatusCode::kInvalidArgument,
              "no feed operator");
  ExpectError(load(variables, {Op("feed", "feed", "x", 1), copy, fetch_y}),
              lost, "columns");
  ExpectError(load({feed, fetch, w}, {}), absl::StatusCode::kInvalidArgument,
              "no feed operator");
}

}  // namespace
}  // namespace engine
