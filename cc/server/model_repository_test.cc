#include "cc/server/model_repository.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cc/server/fake_backend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelRepositoryTest : public ::testing::Test {
 protected:
  ModelRepositoryTest() : root_(fs::path(::testing::TempDir()) / "models") {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }

  void Add(const std::string& path) { fs::create_directories(root_ / path); }

  absl::StatusOr<ModelRepository> Load() {
    return ModelRepository::Load(root_.string(), FakeLoader(1, &gate_), 4);
  }
  std::string LoadError() { return std::string(Load().status().message()); }

  const fs::path root_;
  Gate gate_;
};

TEST_F(ModelRepositoryTest, ServesEveryVersionAndTheHighestByDefault) {
  for (const char* path : {"b/1", "a/2", "a/10", "a/9", ".hidden/1", "a/notes",
                           "a/07", "a/0", "a/-1", "a/..data"}) {
    Add(path);
  }
  std::ofstream(root_ / "README") << "no model";
  std::ofstream(root_ / "a" / "3") << "no directory";
  const auto repository = Load();
  ASSERT_TRUE(repository.ok()) << repository.status();
  EXPECT_EQ((*repository->Find("a", ""))->info().version, "10");
  EXPECT_EQ((*repository->Find("a", "2"))->info().version, "2");
  EXPECT_EQ((*repository->Find("b", ""))->info().name, "b");
  EXPECT_THAT(repository->Versions("a"), ElementsAre("2", "9", "10"));
  EXPECT_EQ(repository->All().size(), 4u);
  EXPECT_EQ(repository->Find("c", "").status().message(),
            "unknown model \"c\"; there is \"a\", \"b\"");
  EXPECT_EQ(repository->Find("a", "3").status().message(),
            "model \"a\" has no version 3; there is 2, 9, 10");
  for (const char* version : {"07", "x", "-1", "99999999999999999999999"}) {
    EXPECT_EQ(repository->Find("a", version).status().code(),
              absl::StatusCode::kNotFound);
  }
}

TEST_F(ModelRepositoryTest, OneBrokenModelFailsAll) {
  Add("a/1");
  Add("broken/3");
  EXPECT_THAT(LoadError(),
              AllOf(HasSubstr("model \"broken\" version 3 in "),
                    HasSubstr((root_ / "broken" / "3").string()),
                    HasSubstr("cannot be loaded: model.pdiparams is cut off")));
}

// As where a volume's file system begins, or a folder is another user's.
TEST_F(ModelRepositoryTest, PassesOverWhatHoldsNoModel) {
  for (const char* path : {"a/1", "lost+found", "notes/v1", "secret/1"}) {
    Add(path);
  }
  if (geteuid() == 0) {  // whom no mode keeps out
    fs::remove_all(root_ / "secret");
    Add("secret");
  } else {
    fs::permissions(root_ / "secret", fs::perms::none);
  }
  const auto repository = Load();
  fs::permissions(root_ / "secret", fs::perms::owner_all);
  ASSERT_TRUE(repository.ok()) << repository.status();
  EXPECT_EQ(repository->All().size(), 1u);
  EXPECT_EQ(repository->Find("notes", "").status().message(),
            "unknown model \"notes\"; there is \"a\"");
  EXPECT_THAT(
      repository->passed_over(),
      ElementsAre(HasSubstr("model \"lost+found\" has no version in "),
                  HasSubstr("model \"notes\" has no version in "),
                  AllOf(HasSubstr("model \"secret\""),
                        HasSubstr((root_ / "secret").string()),
                        HasSubstr(geteuid() == 0 ? "has no version"
                                                 : "Permission denied"))));
}

TEST_F(ModelRepositoryTest, SaysWhatARepositoryLooksLike) {
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("no model in the repository"),
                                 HasSubstr("NAME/VERSION/model.pdmodel")));
  Add("a/v1");
  EXPECT_THAT(LoadError(), AllOf(HasSubstr("NAME/VERSION/model.pdmodel"),
                                 HasSubstr("model \"a\" has no version in")));
  fs::remove_all(root_);
  EXPECT_THAT(LoadError(), HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace server
