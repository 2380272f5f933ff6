#include "cc/ocr/inference_yml.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

TEST(InferenceYmlTest, SaysWhatADetectorTakesAndGives) {
  const InferenceYml yml = ParseInferenceYml(R"(
Global: {model_name: PP-OCRv5_mobile_det}
Hpi:
  shapes: &id001
    x: [[1, 3, 32, 32]]
  again: *id001
PreProcess:
  transform_ops:
  - DecodeImage: {channel_first: false, img_mode: BGR}
  - DetLabelEncode: null
  - NormalizeImage:
      mean: [0.485, 0.456, 0.406]
      order: hwc
      scale: 1./255.
      std: [0.229, 0.224, 0.225]
PostProcess:
  name: DBPostProcess
  thresh: 0.25
  box_thresh: 0.6
  max_candidates: 900
  unclip_ratio: 1.5
)",
                                             "det/inference.yml")
                               .value();
  EXPECT_EQ(yml.normalisation->mean[2], 0.406);
  EXPECT_EQ(yml.normalisation->deviation[0], 0.229);
  EXPECT_EQ(yml.boxes->threshold, 0.25f);
  EXPECT_EQ(yml.boxes->score, 0.6);
  EXPECT_EQ(yml.boxes->unclip_ratio, 1.5);
  EXPECT_EQ(yml.boxes->most, 900u);
  EXPECT_FALSE(yml.boxes->dilate);
  EXPECT_EQ(yml.characters, "");
}

TEST(InferenceYmlTest, HasTheCharactersOfARecogniser) {
  const InferenceYml yml = ParseInferenceYml(
                               "PostProcess:\n"
                               "  name: CTCLabelDecode\n"
                               "  character_dict:\n"
                               "  - 中\n"
                               "  - '#'\n"
                               "  - 1\n",
                               "rec/inference.yml")
                               .value();
  EXPECT_EQ(yml.characters, "中\n#\n1\n");
  EXPECT_FALSE(yml.normalisation.has_value());
  EXPECT_FALSE(yml.boxes.has_value());
}

TEST(InferenceYmlTest, SaysWhereItIsWrong) {
  const auto message = [](const std::string& text) {
    const auto yml = ParseInferenceYml(text, "i.yml");
    EXPECT_EQ(yml.status().code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(yml.status().message());
  };
  EXPECT_EQ(message("PostProcess:\n  name: DBPostProcess\n  box_thresh: 60\n"),
            "i.yml:3: box_thresh is not between 0 and 1");
  EXPECT_EQ(message("PreProcess:\n  transform_ops:\n"
                    "  - NormalizeImage: {std: [0, 1, 1]}\n"),
            "i.yml:3: std is not between 0.001 and 10");
  EXPECT_EQ(message("PreProcess:\n  transform_ops:\n"
                    "  - NormalizeImage: {mean: [0.5]}\n"),
            "i.yml:3: mean is not three numbers");
  EXPECT_EQ(message("PreProcess:\n  transform_ops:\n"
                    "  - NormalizeImage: {scale: 1}\n"),
            "i.yml:3: NormalizeImage has a scale other than 1./255.");
  for (const char* text : {"a: [", "- 1\n", "just words", "PostProcess: 3",
                           "PreProcess: {transform_ops: [1]}",
                           "PostProcess: {character_dict: [[1]]}"}) {
    message(text);
  }
}

TEST(InferenceYmlTest, ItNeedNotBeThere) {
  const std::string directory = testing::TempDir() + "yml";
  std::filesystem::create_directories(directory);
  EXPECT_FALSE(ReadInferenceYml(directory).value().boxes.has_value());
  std::ofstream(directory + "/inference.yml") << "{";
  EXPECT_FALSE(ReadInferenceYml(directory).ok());
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace ocr
