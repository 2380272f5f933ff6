#include "cc/engine/test_main.h"

#include <cstdio>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {

std::string* trained_model;

std::string TempDir(const std::string& name) {
  return testing::TempDir() + "/" + name;
}

absl::StatusOr<std::unique_ptr<Engine>> LoadFrom(const std::string& directory) {
  Options options;
  options.model_dir = directory;
  return Engine::Load(options);
}

void ExpectError(const absl::Status& status, absl::StatusCode code,
                 const std::string& part) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(part));
}

}  // namespace engine

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s MODEL_DIRECTORY\n", argv[0]);
    return 2;
  }
  engine::trained_model = new std::string(argv[1]);
  return RUN_ALL_TESTS();
}
