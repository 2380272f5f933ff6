#include "cc/infer/scan.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace infer {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ScanTest : public testing::Test {
 protected:
  ScanTest() : root_(fs::path(testing::TempDir()) / "scanned") {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }

  void Put(const std::string& file, const std::string& bytes = "program") {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << bytes;
  }

  // "NAME/VERSION=PLACE" of all that is found, or the error.
  std::vector<std::string> Found(const std::string& name = "") {
    const auto found = Scan(root_.string(), name);
    if (!found.ok()) return {std::string(found.status().message())};
    std::vector<std::string> all;
    for (const auto& [model, versions] : found->models) {
      for (const auto& [number, version] : versions) {
        all.push_back(absl::StrCat(
            model, "/", number, "=",
            fs::relative(version.directory, root_).generic_string()));
      }
    }
    return all;
  }

  std::string Fingerprint() {
    return Scan(root_.string())
        ->models.begin()
        ->second.begin()
        ->second.fingerprint;
  }

  const fs::path root_;
};

TEST_F(ScanTest, AFolderOfAModelIsItsVersion1) {
  Put("inference.pdmodel");
  Put("inference.pdiparams");
  Put("metadata.json", "{}");
  fs::create_directories(root_ / "lost+found");
  EXPECT_THAT(Found(), ElementsAre("scanned/1=."));
  EXPECT_THAT(Found("digits"), ElementsAre("digits/1=."));
  EXPECT_THAT(Scan(root_.string() + "/")->models,
              ElementsAre(testing::Key("scanned")));
  EXPECT_THAT(Scan(root_.string() + "/./lost+found/..")->models,
              ElementsAre(testing::Key("scanned")));
}

TEST_F(ScanTest, AFolderOfVersionsIsOneModel) {
  Put("1/inference.pdmodel");
  Put("12/__model__");
  Put("12/__params__");
  fs::create_directories(root_ / "lost+found");
  Put("README.md");
  EXPECT_THAT(Found("digits"), ElementsAre("digits/1=1", "digits/12=12"));
}

TEST_F(ScanTest, AModelMayHaveANumberForAName) {
  Put("1/2/model.pdmodel");
  EXPECT_THAT(Found("digits"), ElementsAre("1/2=1/2"));
}

// Its own folders may have numbers too, as those of checkpoints.
TEST_F(ScanTest, WhatHoldsNoModelIsNoOtherMeaning) {
  Put("model.pdmodel");
  Put("checkpoints/100/model.pdparams");
  EXPECT_THAT(Found("digits"), ElementsAre("digits/1=."));
}

TEST_F(ScanTest, MoreThanOneMeaningIsAnError) {
  Put("inference.pdmodel");
  Put("digits/3/model.pdmodel");
  EXPECT_THAT(Found(),
              ElementsAre(AllOf(HasSubstr("more than one meaning"),
                                HasSubstr("inference.pdmodel and digits/3"))));
  fs::remove_all(root_ / "digits");
  Put("2/model.pdmodel");
  EXPECT_THAT(Found(), ElementsAre(HasSubstr("inference.pdmodel and 2/")));
  fs::remove(root_ / "inference.pdmodel");
  EXPECT_THAT(Found(), ElementsAre("scanned/2=2"));
}

TEST_F(ScanTest, SaysWhatIsThereInPlaceOfAModel) {
  EXPECT_THAT(Found(), ElementsAre(AllOf(HasSubstr("which is empty; "),
                                         HasSubstr("NAME/VERSION/model."))));
  Put("network.json");
  fs::create_directories(root_ / "lost+found");
  EXPECT_THAT(Found(), ElementsAre(AllOf(
                           HasSubstr("which holds: lost+found, network.json"),
                           HasSubstr("may be a program of Paddle 3"))));
  fs::remove(root_ / "network.json");
  Put("1/best.pdparams");
  EXPECT_THAT(Found(),
              ElementsAre(AllOf(
                  HasSubstr("which holds: 1, lost+found; "),
                  HasSubstr("holds: best.pdparams. best.pdparams holds the "
                            "weights alone"))));
}

// What is put there by renames of single files is seen half: it is loaded, says
// what is missing, and is looked at again.
TEST_F(ScanTest, AFileThatIsReplacedChangesTheFingerprint) {
  Put("inference.pdmodel");
  Put("inference.pdiparams");
  std::vector<std::string> seen = {Fingerprint()};
  fs::create_directories(root_ / "logs");
  EXPECT_EQ(Fingerprint(), seen.back());
  for (const char* name : {"inference.pdmodel", "inference.pdiparams"}) {
    Put(".new");
    fs::rename(root_ / ".new", root_ / name);
    seen.push_back(Fingerprint());
    EXPECT_NE(seen.back(), seen[seen.size() - 2]);
  }
}

TEST_F(ScanTest, AVersionWithoutFilesIsFound) {
  Put("digits/1/model.pdmodel");
  fs::create_directories(root_ / "digits" / "2");
  EXPECT_THAT(Found(), ElementsAre("digits/1=digits/1", "digits/2=digits/2"));
  EXPECT_THAT(Scan(root_.string())->models["digits"][2].fingerprint,
              Not(IsEmpty()));
}

}  // namespace
}  // namespace infer
