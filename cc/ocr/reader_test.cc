// The pipeline around its models, which are none here: the detector finds a
// line wherever the picture is black, and the recogniser answers what a test
// says.
#include "cc/ocr/reader.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/base/loop.h"
#include "cc/infer/byte_elements.h"
#include "cc/infer/fake_servable.h"
#include "cc/ocr/repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
void Append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A white BMP of 24 bits with black bars, each from a row to the one before
// another, which are `indent` pixels from the left and the right.
std::string Bmp(int width, int height,
                const std::vector<std::pair<int, int>>& bars, int indent = 40) {
  const int row = (3 * width + 3) / 4 * 4;
  std::string file = "BM";
  Append<uint32_t>(54 + row * height, &file);
  Append<uint32_t>(0, &file);
  Append<uint32_t>(54, &file);
  Append<uint32_t>(40, &file);
  Append<int32_t>(width, &file);
  Append<int32_t>(-height, &file);  // from the top
  Append<uint16_t>(1, &file);
  Append<uint16_t>(24, &file);
  file.resize(54);
  for (int y = 0; y < height; ++y) {
    std::string line(row, '\xff');
    for (const auto& [from, to] : bars) {
      if (y >= from && y < to) {
        std::fill_n(line.begin() + 3 * indent, 3 * (width - 2 * indent), '\0');
      }
    }
    file += line;
  }
  return file;
}

std::vector<float> Floats(const infer::Tensor& tensor) {
  const std::string bytes(tensor.data);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

infer::Tensor Tensor(std::string name, std::vector<int64_t> shape,
                     const std::vector<float>& values) {
  return {
      std::move(name), base::DataType::kFloat32, std::move(shape),
      absl::Cord(absl::string_view(reinterpret_cast<const char*>(values.data()),
                                   values.size() * sizeof(float)))};
}

infer::ModelInfo Info(const std::string& name, const std::string& directory) {
  infer::ModelInfo info;
  info.name = name;
  info.version = "1";
  info.directory = directory;
  info.inputs = {{"x", base::DataType::kFloat32, {-1, 3, -1, -1}}};
  info.outputs = {{"y", base::DataType::kFloat32, {-1, -1, -1, -1}}};
  info.max_batch_size = 100;
  return info;
}

using Outputs = absl::StatusOr<std::vector<infer::Tensor>>;

// The map of what is black.
Outputs Detect(const infer::Request& request) {
  const infer::Tensor& x = request.inputs.at(0);
  const std::vector<float> values = Floats(x);
  const size_t plane = static_cast<size_t>(x.shape[2] * x.shape[3]);
  std::vector<float> map(plane);
  for (size_t i = 0; i < plane; ++i) map[i] = values[i] < 0 ? 0.9f : 0.0f;
  return std::vector<infer::Tensor>{
      Tensor("y", {1, 1, x.shape[2], x.shape[3]}, map)};
}

// "ab" on every line.
Outputs Recognise(const infer::Request& request) {
  const int64_t lines = request.inputs.at(0).shape[0];
  std::vector<float> scores;
  for (int64_t i = 0; i < lines; ++i) {
    for (const size_t label : {1, 1, 0, 2}) {
      std::vector<float> step(4, 0.25f / 3);
      step[label] = 0.75f;
      scores.insert(scores.end(), step.begin(), step.end());
    }
  }
  return std::vector<infer::Tensor>{Tensor("y", {lines, 4, 4}, scores)};
}

class ReaderTest : public ::testing::Test {
 protected:
  ReaderTest() {
    std::filesystem::create_directories(directory_);
    std::ofstream(directory_ + "/characters.txt") << "a\nb\n";
    Serve(Detect, Recognise);
    options_.detector = "det";
    options_.recogniser = "rec";
  }

  void Serve(infer::FakeServable::Run detect,
             infer::FakeServable::Run recognise) {
    det_ = std::make_shared<infer::FakeServable>(Info("det", ""),
                                                 std::move(detect));
    rec_ = std::make_shared<infer::FakeServable>(Info("rec", directory_),
                                                 std::move(recognise));
    models_.Add(det_);
    models_.Add(rec_);
  }

  std::shared_ptr<infer::Call> Ask(const std::vector<std::string>& pictures) {
    if (reader_ == nullptr) {
      reader_ = std::make_shared<Reader>(&loop_, &models_, &budget_, &registry_,
                                         options_);
    }
    infer::Tensor image{"image",
                        base::DataType::kBytes,
                        {static_cast<int64_t>(pictures.size())},
                        {}};
    for (const std::string& picture : pictures) {
      infer::AppendElement(absl::Cord(picture), &image.data);
    }
    infer::Request request;
    request.inputs = {image};
    request.outputs = {"page"};
    auto call = std::make_shared<infer::Call>(
        std::move(request), [this](infer::Call*) { ++finished_; });
    reader_->Start(call);
    return call;
  }

  // Runs the loop, and the models, until so many calls are finished.
  void Await(int calls) {
    std::function<void()> look = [&] {
      det_->RunAll();
      rec_->RunAll();
      if (cls_ != nullptr) cls_->RunAll();
      if (finished_ >= calls) return loop_.Stop();
      loop_.Post(look);
    };
    loop_.Post(look);
    loop_.Run();
  }

  std::vector<std::string> Pages(const infer::Call& call) {
    EXPECT_TRUE(call.status.ok()) << call.status;
    if (call.outputs.size() != 1) return {};
    std::vector<std::string> pages;
    for (const absl::Cord& page : infer::ElementsOf(call.outputs[0].data)) {
      pages.emplace_back(page);
    }
    return pages;
  }

  std::string Error(const std::vector<std::string>& pictures) {
    finished_ = 0;
    const auto call = Ask(pictures);
    Await(1);
    return std::string(call->status.message());
  }

  const std::string directory_ =
      testing::TempDir() + "/" +
      testing::UnitTest::GetInstance()->current_test_info()->name();
  base::Loop loop_;
  base::ByteBudget budget_{size_t{1} << 30};
  base::Registry registry_;
  infer::FakeRepository models_;
  std::shared_ptr<infer::FakeServable> det_;
  std::shared_ptr<infer::FakeServable> rec_;
  std::shared_ptr<infer::FakeServable> cls_;
  ReaderOptions options_;
  std::shared_ptr<Reader> reader_;
  int finished_ = 0;
};

int Lines(const std::string& page) {
  int lines = 0;
  for (size_t at = 0; (at = page.find("\"text\":\"ab\"", at)) != page.npos;
       ++at) {
    ++lines;
  }
  return lines;
}

TEST_F(ReaderTest, FindsLinesAndReadsThem) {
  const auto call = Ask({Bmp(960, 736, {{100, 140}, {300, 340}})});
  Await(1);
  const std::vector<std::string> pages = Pages(*call);
  ASSERT_EQ(pages.size(), 1);
  EXPECT_THAT(pages[0], HasSubstr(R"({"width":960,"height":736,"lines":[)"));
  EXPECT_EQ(Lines(pages[0]), 2);
  EXPECT_THAT(pages[0], HasSubstr("\"score\":0.75"));
  EXPECT_EQ(budget_.held(), 0);
}

TEST_F(ReaderTest, TellsWhereTheTimeWent) {
  const auto call = Ask({Bmp(960, 736, {{100, 140}, {300, 340}})});
  Await(1);
  std::vector<std::string> stages;
  infer::Clock::time_point before = call->timing.arrival + call->timing.queue;
  for (const infer::Stage& stage : call->timing.stages) {
    stages.emplace_back(stage.name);
    EXPECT_EQ(stage.begin, before);
    EXPECT_GE(stage.end, stage.begin);
    before = stage.end;
  }
  EXPECT_THAT(stages, ElementsAre("picture", "detector", "boxes", "recogniser",
                                  "text"));
  EXPECT_GE(call->timing.arrival + call->timing.queue + call->timing.compute,
            before);
  EXPECT_EQ(call->timing.batch_calls, 1);
  Error({"no picture"});
  const std::string metrics = registry_.Text();
  for (
      const char* line :
      {R"(paddle_server_ocr_pages_total{outcome="read"} 1)",
       R"(paddle_server_ocr_pages_total{outcome="failed"} 1)",
       "paddle_server_ocr_lines_total 2",
       R"(paddle_server_ocr_stage_duration_seconds_count{stage="detector"} 1)",
       R"(paddle_server_ocr_stage_duration_seconds_count{stage="picture"} 1)"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
}

TEST_F(ReaderTest, AFewBatchesOfAPageAreAskedForAtATime) {
  size_t most = 0;
  int batches = 0;
  Serve(Detect, [&](const infer::Request& request) {
    ++batches;
    most = std::max(most, rec_->waiting().size() + 1);
    return Recognise(request);
  });
  std::vector<std::pair<int, int>> bars;
  for (int y = 40; y < 1160; y += 56) bars.emplace_back(y, y + 24);
  const auto call = Ask({Bmp(960, 1184, bars)});
  Await(1);
  EXPECT_EQ(Lines(Pages(*call).at(0)), 20);
  EXPECT_EQ(batches, 4);
  EXPECT_EQ(most, 2u);
}

TEST_F(ReaderTest, PicturesWithoutTextHaveNoLines) {
  const auto call = Ask({Bmp(400, 300, {}), Bmp(1, 1, {}, 0)});
  Await(1);
  EXPECT_THAT(Pages(*call),
              ElementsAre(R"({"width":400,"height":300,"lines":[]})",
                          R"({"width":1,"height":1,"lines":[]})"));
}

TEST_F(ReaderTest, APagesAnswerDoesNotDependOnOthers) {
  const std::string one = Bmp(960, 736, {{100, 140}});
  const std::string many = Bmp(736, 960, {{100, 130}, {300, 360}, {500, 520}});
  std::vector<std::string> alone;
  for (const std::string& picture : {one, many}) {
    const auto call = Ask({picture});
    Await(static_cast<int>(alone.size()) + 1);
    alone.push_back(Pages(*call).at(0));
  }
  std::vector<std::shared_ptr<infer::Call>> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(i % 2 == 0 ? Ask({one, many}) : Ask({many}));
  }
  Await(22);
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto pages = Pages(*calls[i]);
    if (i % 2 == 0) {
      EXPECT_THAT(pages, ElementsAre(alone[0], alone[1]));
    } else {
      EXPECT_THAT(pages, ElementsAre(alone[1]));
    }
  }
}

TEST_F(ReaderTest, WhatGoesWrongIsToldInASentence) {
  EXPECT_THAT(Error({"no picture"}), HasSubstr("JPEG, PNG"));
  EXPECT_THAT(Error({Bmp(9, 9, {}, 0), "no picture"}),
              HasSubstr("picture 2: "));
  EXPECT_THAT(Error({Bmp(960, 736, {}).substr(0, 5000)}), HasSubstr("ends"));
  std::filesystem::remove(directory_ + "/characters.txt");
  reader_.reset();
  EXPECT_THAT(Error({Bmp(9, 9, {}, 0)}), HasSubstr("characters.txt"));
  models_.Remove("rec");
  EXPECT_THAT(Error({Bmp(9, 9, {}, 0)}), HasSubstr("unknown model \"rec\""));
}

TEST_F(ReaderTest, ModelsOfAnotherKindAreNamed) {
  Serve(
      [](const infer::Request&) -> Outputs {
        return std::vector<infer::Tensor>{Tensor("y", {1, 1}, {0})};
      },
      Recognise);
  EXPECT_THAT(Error({Bmp(9, 9, {}, 0)}),
              HasSubstr("the detector: it gives FP32 [1,1]"));
  Serve(Detect, [](const infer::Request&) -> Outputs {
    return std::vector<infer::Tensor>{Tensor("y", {1, 1, 5}, {1, 0, 0, 0, 0})};
  });
  reader_.reset();
  EXPECT_THAT(Error({Bmp(960, 736, {{100, 140}})}),
              HasSubstr("the recogniser: "));
}

TEST_F(ReaderTest, LinesThatStandOnTheirHeadsAreTurned) {
  const auto turn = [](float surety) {
    return [surety](const infer::Request& request) -> Outputs {
      const int64_t lines = request.inputs.at(0).shape[0];
      std::vector<float> scores;
      for (int64_t i = 0; i < lines; ++i) {
        scores.insert(scores.end(), {1 - surety, surety});
      }
      return std::vector<infer::Tensor>{Tensor("y", {lines, 2}, scores)};
    };
  };
  // The right half of the line is brighter.
  std::string picture = Bmp(960, 736, {{100, 140}});
  for (int y = 100; y < 140; ++y) {
    for (int x = 480; x < 920; ++x) {
      for (int c = 0; c < 3; ++c) picture[54 + (y * 960 + x) * 3 + c] = 60;
    }
  }
  std::vector<bool> brighter_on_the_right;
  Serve(Detect, [&](const infer::Request& request) {
    const std::vector<float> x = Floats(request.inputs.at(0));
    const auto width = static_cast<size_t>(request.inputs.at(0).shape[3]);
    const float* row = &x[24 * width];
    brighter_on_the_right.push_back(row[width / 4] < row[width * 3 / 4]);
    return Recognise(request);
  });
  options_.classifier = "cls";
  for (const float surety : {0.95f, 0.85f}) {
    cls_ = std::make_shared<infer::FakeServable>(Info("cls", ""), turn(surety));
    models_.Add(cls_);
    finished_ = 0;
    Ask({picture});
    Await(1);
  }
  EXPECT_THAT(brighter_on_the_right, ElementsAre(false, true));
}

// chinese_ocr's: grey lines of another height, logits, no space among its
// classes.
TEST_F(ReaderTest, ARecogniserSaysItselfWhatLinesItTakes) {
  std::vector<int64_t> shape;
  float least = 1;
  auto info = Info("rec", directory_);
  info.inputs[0].shape = {-1, 1, 32, -1};
  rec_ = std::make_shared<infer::FakeServable>(
      info, [&](const infer::Request& request) -> Outputs {
        shape = request.inputs.at(0).shape;
        for (const float x : Floats(request.inputs.at(0))) {
          least = std::min(least, x);
        }
        return std::vector<infer::Tensor>{
            Tensor("y", {1, 2, 3}, {0, 9, 1, -3, -1, 4})};
      });
  models_.Add(rec_);
  const auto call = Ask({Bmp(960, 736, {{100, 140}})});
  Await(1);
  EXPECT_THAT(Pages(*call).at(0), HasSubstr(R"("text":"ab","score":0.99)"));
  ASSERT_EQ(shape.size(), 4u);
  EXPECT_EQ(shape[1], 1);
  EXPECT_EQ(shape[2], 32);
  EXPECT_EQ(least, -1);
}

TEST_F(ReaderTest, WhatPaddleOcrWritesBesideAModelIsHeeded) {
  std::filesystem::remove(directory_ + "/characters.txt");
  std::ofstream(directory_ + "/inference.yml") << R"(
PostProcess:
  name: CTCLabelDecode
  character_dict: [a, b]
)";
  const std::string detector = directory_ + "/det";
  std::filesystem::create_directories(detector);
  std::ofstream(detector + "/inference.yml") << R"(
PreProcess:
  transform_ops:
  - NormalizeImage: {mean: [0, 0, 0], std: [1, 1, 1], scale: 1./255.}
PostProcess: {name: DBPostProcess, box_thresh: 0.8}
)";
  std::vector<float> seen;
  float probability = 0.9f;
  const auto detect = [&](const infer::Request& request) -> Outputs {
    const infer::Tensor& x = request.inputs.at(0);
    seen = Floats(x);
    std::vector<float> map(static_cast<size_t>(x.shape[2] * x.shape[3]));
    for (size_t i = 0; i < map.size(); ++i) {
      map[i] = seen[i] < 0.5f ? probability : 0;
    }
    return std::vector<infer::Tensor>{
        Tensor("y", {1, 1, x.shape[2], x.shape[3]}, map)};
  };
  det_ = std::make_shared<infer::FakeServable>(Info("det", detector), detect);
  models_.Add(det_);
  const std::string picture = Bmp(960, 736, {{100, 140}});
  const auto read = Ask({picture});
  Await(1);
  EXPECT_EQ(Lines(Pages(*read).at(0)), 1);
  EXPECT_EQ(*std::min_element(seen.begin(), seen.end()), 0);
  probability = 0.7f;  // below box_thresh
  finished_ = 0;
  const auto not_read = Ask({picture});
  Await(1);
  EXPECT_EQ(Lines(Pages(*not_read).at(0)), 0);
}

TEST_F(ReaderTest, TooManyWaitNot) {
  options_.max_queue = 2;
  EXPECT_THAT(Error({Bmp(9, 9, {}, 0), Bmp(9, 9, {}, 0), Bmp(9, 9, {}, 0)}),
              HasSubstr("too many"));
}

TEST_F(ReaderTest, WhatNobodyWaitsForIsNotRead) {
  const auto call = Ask({Bmp(960, 736, {{100, 140}})});
  call->Cancel();
  const auto other = Ask({Bmp(400, 300, {})});
  Await(1);
  EXPECT_EQ(Pages(*other).size(), 1);
  EXPECT_TRUE(rec_->waiting().empty());
  EXPECT_EQ(budget_.held(), 0);
}

TEST_F(ReaderTest, IsAModelBesideItsModels) {
  const auto reader = std::make_shared<Reader>(&loop_, &models_, &budget_,
                                               &registry_, options_);
  Repository all(&models_, reader);
  EXPECT_EQ(*all.Find("ocr", ""), reader);
  EXPECT_EQ(*all.Find("det", ""), det_);
  EXPECT_EQ(all.Find("ocr", "2").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(all.Versions("ocr"), ElementsAre("1"));
  EXPECT_TRUE(reader->Ready().ok());
  EXPECT_EQ(all.Index().back().state, infer::State::kReady);
  det_->set_ready(absl::UnavailableError("it starts again"));
  EXPECT_EQ(reader->Ready().message(), "it starts again");
  EXPECT_EQ(all.Index().back().state, infer::State::kFailed);
}

}  // namespace
}  // namespace ocr
