#include "cc/ocr/text/labels.h"

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace ocr {
namespace {

TEST(LabelsTest, HasNothingFirstAndASpaceLast) {
  const Labels labels = Labels::Parse("中\r\nA\n　\n#", "c.txt").value();
  ASSERT_EQ(labels.classes(), 6u);
  EXPECT_EQ(labels.text(0), "");
  EXPECT_EQ(labels.text(1), "中");
  EXPECT_EQ(labels.text(3), "　");
  EXPECT_EQ(labels.text(4), "#");
  EXPECT_EQ(labels.text(5), " ");
  EXPECT_TRUE(labels.Check(6).ok());
}

TEST(LabelsTest, SaysWhoseFileItIsNot) {
  const Labels labels = Labels::Parse("a\nb\n", "models/rec/1/c.txt").value();
  const absl::Status status = labels.Check(6625);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "models/rec/1/c.txt has 2 characters, for a model of 4 classes "
            "(none, these, a space), or one less without the space, but the "
            "model has 6625: it is another model's");
  EXPECT_TRUE(labels.Check(3).ok());
  EXPECT_FALSE(labels.Check(2).ok());
}

TEST(LabelsTest, SaysWhatIsWrong) {
  const auto message = [](const std::string& text) {
    const auto labels = Labels::Parse(text, "c.txt");
    EXPECT_EQ(labels.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(labels.status().message());
  };
  EXPECT_TRUE(absl::StartsWith(message(""), "c.txt: is empty; "));
  EXPECT_TRUE(absl::StartsWith(message("a\n\nb\n"), "c.txt, line 2: is empty"));
  EXPECT_TRUE(
      absl::StartsWith(message("a\n\xff\n"), "c.txt, line 2: is not UTF-8"));
  EXPECT_TRUE(absl::StartsWith(message(std::string((16 << 20) + 1, 'a')),
                               "c.txt: more than 16 MiB"));
}

TEST(LabelsTest, ReadsFiles) {
  const std::string path = testing::TempDir() + "characters.txt";
  std::ofstream(path) << "x\ny\n";
  EXPECT_EQ(Labels::Read(path).value().classes(), 4u);
  std::remove(path.c_str());
  const absl::Status missing = Labels::Read(path).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(missing.message(), path));
  EXPECT_EQ(Labels::Read(testing::TempDir()).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ocr
