#include "cc/infer/model_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "cc/infer/fake_backend.h"

namespace infer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Notes what it is told.
class Notes : public DirectoryObserver {
 public:
  std::unique_ptr<ModelObserver> Observe(const ModelOptions&) override {
    return std::make_unique<FakeModelObserver>(&seen);
  }
  void OnLoading(const ModelOptions&, double) override {}
  void OnLoaded(const std::shared_ptr<Model>& model, double) override {
    notes.push_back(absl::StrCat("loaded ", model->info().name, "/",
                                 model->info().version));
  }
  void OnFailed(const ModelOptions& options, const absl::Status&) override {
    notes.push_back(
        absl::StrCat("failed ", options.name, "/", options.version));
  }
  void OnUnloaded(const ModelInfo& info) override {
    notes.push_back(absl::StrCat("unloaded ", info.name, "/", info.version));
  }
  void OnPassedOver(const std::string& why) override {
    passed_over.push_back(why);
  }
  void OnScanFailed(const absl::Status& status) override {
    notes.push_back(std::string(status.message()));
  }

  FakeModelObserver::Seen seen;
  std::vector<std::string> notes;
  std::vector<std::string> passed_over;
};

// What each look finds; the last one for good.
class Script {
 public:
  void Set(std::deque<Found> looks) {
    absl::MutexLock lock(&mutex_);
    looks_ = std::move(looks);
  }
  Found Next() {
    absl::MutexLock lock(&mutex_);
    const Found found = looks_.front();
    if (looks_.size() > 1) looks_.pop_front();
    return found;
  }
  size_t left() {
    absl::MutexLock lock(&mutex_);
    return looks_.size();
  }

 private:
  absl::Mutex mutex_;
  std::deque<Found> looks_ ABSL_GUARDED_BY(mutex_);
};

class ModelDirectoryTest : public testing::Test {
 protected:
  ModelDirectoryTest() : root_(fs::path(testing::TempDir()) / "models") {
    fs::remove_all(root_);
    fs::create_directories(root_);
    options_.directory = root_.string();
  }
  void TearDown() override {
    models_.reset();
    Settle(&loop_);
  }

  void Add(const std::string& path, const std::string& bytes = "program") {
    // As deployments do: written aside, then renamed.
    const fs::path aside = root_ / ".new";
    fs::create_directories(aside);
    std::ofstream(aside / "model.pdmodel") << bytes;
    fs::remove_all(root_ / path);
    fs::create_directories((root_ / path).parent_path());
    fs::rename(aside, root_ / path);
  }
  absl::Status Start() {
    settled_ = absl::UnknownError("not told");
    models_ =
        std::make_unique<ModelDirectory>(&loop_, &backend_, &notes_, options_);
    models_->Start([this](const absl::Status& s) { settled_ = s; });
    while (models_->Index().empty() && absl::IsUnknown(settled_)) {
      Settle(&loop_);
    }
    return models_->Index().empty() ? settled_ : absl::OkStatus();
  }
  // The model of a directory has loaded, or failed to.
  void Loaded(const std::string& path, absl::Status status = {}) {
    backend_.Load((root_ / path).string(), std::move(status));
    Settle(&loop_);
  }
  std::string Version(const std::string& name,
                      const std::string& version = "") {
    const auto found = models_->Find(name, version);
    return found.ok() ? (*found)->info().version
                      : std::string(found.status().message());
  }
  // Looks until as much was begun.
  void UntilStarts(int starts) {
    while (backend_.starts < starts) Settle(&loop_);
  }

  const fs::path root_;
  base::Loop loop_;
  FakeBackend backend_;
  Notes notes_;
  DirectoryOptions options_;
  std::unique_ptr<ModelDirectory> models_;
  absl::Status settled_ = absl::UnknownError("not told");
};

TEST_F(ModelDirectoryTest, BeforeTheFirstLookNoModelIsUnknown) {
  Add("a/1");
  ModelDirectory models(&loop_, &backend_, &notes_, options_);
  models.Start([](const absl::Status&) {});
  EXPECT_EQ(models.Find("a", "").status().code(),
            absl::StatusCode::kUnavailable);
  while (models.Index().empty()) Settle(&loop_);
  EXPECT_TRUE(absl::IsNotFound(models.Find("b", "").status()));
}

TEST_F(ModelDirectoryTest, ServesEveryVersionAndTheHighestByDefault) {
  for (const char* path : {"b/1", "a/2", "a/10", "a/9", ".hidden/1", "a/notes",
                           "a/07", "a/0", "a/-1", "a/..data"}) {
    Add(path);
  }
  std::ofstream(root_ / "README") << "no model";
  std::ofstream(root_ / "a" / "3") << "no directory";
  ASSERT_TRUE(Start().ok());
  EXPECT_FALSE(models_->ready());
  EXPECT_EQ(Version("a"), "model \"a\" version 10 is being loaded");
  for (const char* path : {"a/2", "a/10", "a/9"}) Loaded(path);
  EXPECT_FALSE(models_->ready());
  Loaded("b/1");
  EXPECT_TRUE(models_->ready());
  EXPECT_TRUE(settled_.ok());
  EXPECT_EQ(Version("a"), "10");
  EXPECT_EQ(Version("a", "2"), "2");
  EXPECT_EQ(Version("b"), "1");
  EXPECT_THAT(models_->Versions("a"), ElementsAre("2", "9", "10"));
  EXPECT_EQ(models_->Index().size(), 4u);
  EXPECT_EQ(Version("c"), "unknown model \"c\"; there is \"a\", \"b\"");
  EXPECT_EQ(Version("a", "3"),
            "model \"a\" has no version 3; there is 2, 9, 10");
  for (const char* version : {"07", "x", "-1", "99999999999999999999999"}) {
    EXPECT_TRUE(absl::IsNotFound(models_->Find("a", version).status()));
  }
}

TEST_F(ModelDirectoryTest, ABrokenModelIsToldWithItsPlace) {
  Add("a/1");
  Add("broken/3");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  Loaded("broken/3", absl::DataLossError("model.pdiparams is cut off"));
  EXPECT_THAT(std::string(settled_.message()),
              AllOf(HasSubstr("model \"broken\" version 3 in "),
                    HasSubstr((root_ / "broken" / "3").string()),
                    HasSubstr("cannot be loaded: model.pdiparams is cut off")));
  EXPECT_THAT(Version("broken"), HasSubstr("is cut off"));
  EXPECT_EQ(Version("a"), "1");
}

// As where a volume's file system begins, or a folder is another user's.
TEST_F(ModelDirectoryTest, PassesOverWhatHoldsNoModel) {
  Add("a/1");
  for (const char* path : {"lost+found", "notes/v1", "secret/1"}) {
    fs::create_directories(root_ / path);
  }
  if (geteuid() == 0) {  // whom no mode keeps out
    fs::remove_all(root_ / "secret" / "1");
  } else {
    fs::permissions(root_ / "secret", fs::perms::none);
  }
  ASSERT_TRUE(Start().ok());
  fs::permissions(root_ / "secret", fs::perms::owner_all);
  EXPECT_EQ(models_->Index().size(), 1u);
  EXPECT_THAT(
      notes_.passed_over,
      ElementsAre(HasSubstr("model \"lost+found\" has no version in "),
                  HasSubstr("model \"notes\" has no version in "),
                  AllOf(HasSubstr("model \"secret\""),
                        HasSubstr((root_ / "secret").string()),
                        HasSubstr(geteuid() == 0 ? "has no version"
                                                 : "Permission denied"))));
}

TEST_F(ModelDirectoryTest, SaysWhatADirectoryOfModelsLooksLike) {
  EXPECT_THAT(std::string(Start().message()),
              AllOf(HasSubstr("no model in the repository"),
                    HasSubstr("NAME/VERSION/model.pdmodel")));
  fs::create_directories(root_ / "a" / "v1");
  EXPECT_THAT(std::string(Start().message()),
              HasSubstr("model \"a\" has no version in"));
  fs::remove_all(root_);
  EXPECT_THAT(std::string(Start().message()),
              HasSubstr("No such file or directory"));
}

TEST_F(ModelDirectoryTest, OnlyTheLatestAreServedWhereOneAsksForThem) {
  options_.latest = 2;
  options_.versions["b"] = {1};
  for (const char* path : {"a/1", "a/2", "a/3", "b/1", "b/2"}) Add(path);
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(backend_.starts, 3);
  for (const char* path : {"a/2", "a/3", "b/1"}) Loaded(path);
  EXPECT_TRUE(models_->ready());
  EXPECT_THAT(models_->Versions("a"), ElementsAre("2", "3"));
  EXPECT_THAT(models_->Versions("b"), ElementsAre("1"));
}

TEST_F(ModelDirectoryTest, TheOldVersionServesUntilTheNewOneIsReady) {
  options_.latest = 1;
  options_.poll = std::chrono::milliseconds(1);
  Add("a/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  Add("a/2");
  UntilStarts(2);
  EXPECT_EQ(Version("a"), "1");
  Loaded("a/2");
  EXPECT_EQ(Version("a"), "2");
  EXPECT_THAT(models_->Versions("a"), ElementsAre("2"));
  EXPECT_THAT(notes_.notes,
              ElementsAre("loaded a/1", "loaded a/2", "unloaded a/1"));
}

TEST_F(ModelDirectoryTest, ANewVersionThatFailsLeavesTheOldOne) {
  options_.latest = 1;
  options_.poll = std::chrono::milliseconds(1);
  Add("a/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  Add("a/2");
  UntilStarts(2);
  Loaded("a/2", absl::DataLossError("cut off"));
  EXPECT_EQ(Version("a"), "1");
  // It is not tried again as it is, but when it was replaced.
  for (int i = 0; i < 20; ++i) Settle(&loop_);
  EXPECT_EQ(backend_.starts, 2);
  Add("a/2", "better");
  UntilStarts(3);
  Loaded("a/2");
  EXPECT_EQ(Version("a"), "2");
}

TEST_F(ModelDirectoryTest, AReplacedVersionIsLoadedBesideTheOneThatServes) {
  options_.poll = std::chrono::milliseconds(1);
  Add("a/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  const std::shared_ptr<Servable> held = *models_->Find("a", "");
  Add("a/1", "other bytes");
  UntilStarts(2);
  EXPECT_EQ(*models_->Find("a", ""), held);
  EXPECT_EQ(backend_.alive, 2);
  Loaded("a/1");
  EXPECT_NE(*models_->Find("a", ""), held);
  EXPECT_EQ(backend_.alive, 2);  // a request holds the old one
}

TEST_F(ModelDirectoryTest, TheIndexTellsOfAWorkerThatStartsAgain) {
  Add("a/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  EXPECT_EQ(models_->Index()[0].state, State::kReady);
  backend_.End((root_ / "a/1").string());
  EXPECT_EQ(models_->Index()[0].state, State::kFailed);
  EXPECT_THAT(models_->Index()[0].reason, HasSubstr("was ended by signal 11"));
  EXPECT_TRUE(models_->ready());
  EXPECT_TRUE(models_->Find("a", "").ok());  // its calls wait
  UntilStarts(2);
  Loaded("a/1");
  EXPECT_EQ(models_->Index()[0].state, State::kReady);
  EXPECT_EQ(models_->Index()[0].reason, "");
}

TEST_F(ModelDirectoryTest, AModelThatIsGoneIsLetGo) {
  options_.poll = std::chrono::milliseconds(1);
  Add("a/1");
  Add("b/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  Loaded("b/1");
  fs::remove_all(root_ / "a");
  while (models_->Find("a", "").ok()) Settle(&loop_);
  EXPECT_EQ(Version("a"), "unknown model \"a\"; there is \"b\"");
  Settle(&loop_);
  EXPECT_EQ(backend_.alive, 1);
}

// `mv a a.old; mv a.new a`, or the same of a version.
TEST_F(ModelDirectoryTest, WhatOneLookMissesIsServedOn) {
  options_.poll = std::chrono::milliseconds(1);
  options_.latest = 1;
  Found all;
  all.models["a"][1] = {"a/1", "x"};
  all.models["a"][2] = {"a/2", "x"};
  all.models["b"][1] = {"b/1", "x"};
  Found without_a;
  without_a.models["b"] = all.models["b"];
  Found without_2 = all;
  without_2.models["a"].erase(2);
  Found replaced = all;
  replaced.models["a"][2].fingerprint = "y";
  const auto script = std::make_shared<Script>();
  options_.look = [script](const std::string&) { return script->Next(); };
  script->Set({all, without_a, all, without_2, all});
  ASSERT_TRUE(Start().ok());
  backend_.Load("a/2");
  backend_.Load("b/1");
  const std::shared_ptr<Servable> held = *models_->Find("a", "");
  while (script->left() > 1) {
    Settle(&loop_);
    EXPECT_EQ(*models_->Find("a", ""), held);
  }
  EXPECT_EQ(backend_.starts, 2);
  script->Set({without_a, replaced});
  UntilStarts(3);
  EXPECT_EQ(*models_->Find("a", ""), held);
  script->Set({without_a});
  while (models_->Find("a", "").ok()) Settle(&loop_);
  EXPECT_TRUE(models_->Find("b", "").ok());
}

// As a network's file system does whose server is gone.
TEST_F(ModelDirectoryTest, ALookThatNeverEndsHoldsNobodyUp) {
  struct Look {
    absl::Notification begun, end, ended;
  };
  const auto look = std::make_shared<Look>();
  options_.look = [look](const std::string&) {
    look->begun.Notify();
    look->end.WaitForNotification();
    look->ended.Notify();
    return Found();
  };
  models_ =
      std::make_unique<ModelDirectory>(&loop_, &backend_, &notes_, options_);
  models_->Start([this](const absl::Status& s) { settled_ = s; });
  look->begun.WaitForNotification();
  Settle(&loop_);
  EXPECT_FALSE(models_->ready());
  models_.reset();
  look->end.Notify();
  look->ended.WaitForNotification();
  Settle(&loop_);
  EXPECT_TRUE(absl::IsUnknown(settled_));  // nobody is told any more
}

TEST_F(ModelDirectoryTest, AVolumeThatVanishesTakesNothingAway) {
  options_.poll = std::chrono::milliseconds(1);
  Add("a/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  fs::rename(root_, root_.string() + ".away");
  while (notes_.notes.size() < 2) Settle(&loop_);
  EXPECT_THAT(notes_.notes.back(),
              HasSubstr("cannot read the model repository"));
  EXPECT_EQ(Version("a"), "1");
  fs::rename(root_.string() + ".away", root_);
}

TEST_F(ModelDirectoryTest, WhatIsUnloadedStaysSoUntilItIsLoaded) {
  options_.poll = std::chrono::milliseconds(1);
  Add("a/1");
  Add("b/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  Loaded("b/1");
  EXPECT_TRUE(absl::IsNotFound(models_->Unload("c")));
  ASSERT_TRUE(models_->Unload("a").ok());
  for (int i = 0; i < 20; ++i) Settle(&loop_);
  EXPECT_EQ(backend_.starts, 2);
  EXPECT_FALSE(models_->Find("a", "").ok());
  absl::Status told = absl::UnknownError("not told");
  models_->Load("a", [&](const absl::Status& s) { told = s; });
  UntilStarts(3);
  EXPECT_TRUE(absl::IsUnknown(told));
  Loaded("a/1");
  EXPECT_TRUE(told.ok()) << told;
  EXPECT_EQ(Version("a"), "1");
}

TEST_F(ModelDirectoryTest, LoadingWhatIsNotThereIsAnError) {
  Add("a/1");
  ASSERT_TRUE(Start().ok());
  Loaded("a/1");
  absl::Status told = absl::UnknownError("not told");
  models_->Load("c", [&](const absl::Status& s) { told = s; });
  while (absl::IsUnknown(told)) Settle(&loop_);
  EXPECT_TRUE(absl::IsNotFound(told)) << told;
  // What is as it was is loaded already.
  told = absl::UnknownError("not told");
  absl::Status both = told;
  models_->Load("a", [&](const absl::Status& s) { told = s; });
  models_->Load("a", [&](const absl::Status& s) { both = s; });
  while (absl::IsUnknown(told) || absl::IsUnknown(both)) Settle(&loop_);
  EXPECT_TRUE(told.ok()) << told;
  EXPECT_TRUE(both.ok()) << both;
  EXPECT_EQ(backend_.starts, 1);
}

}  // namespace
}  // namespace infer
