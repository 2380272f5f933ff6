// The parameters (model.pdiparams) beside a program that has three.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/refusal_check.h"
#include "cc/engine/model_files.h"
#include "cc/engine/test_model.h"

namespace engine {
namespace {

constexpr int kFp32 = 5;

// A directory with the program, gone at the end.
struct Model {
  Model() {
    const char* const temporary = std::getenv("TEST_TMPDIR");
    directory = absl::StrCat(temporary != nullptr ? temporary : "/tmp",
                             "/parameters_fuzz_test.", getpid());
    const TestTensor x = {"x", kFp32, {-1, 2}};
    std::vector<std::string> variables = {ListVar("feed", 9),
                                          ListVar("fetch", 10),
                                          TensorVar(x, /*persistable=*/false)};
    for (const TestTensor& parameter :
         {TestTensor{"a", kFp32, {4}}, TestTensor{"b", kFp32, {4}},
          TestTensor{"weight", kFp32, {2, 3}}}) {
      variables.push_back(TensorVar(parameter, /*persistable=*/true));
    }
    WriteModel(directory,
               Program(variables, {Op("feed", "feed", "x", 0),
                                   Op("fetch", "x", "fetch", 0)}),
               "");
  }
  ~Model() { std::filesystem::remove_all(directory); }
  std::string directory;
};

}  // namespace
}  // namespace engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const engine::Model model;
  std::ofstream(model.directory + "/model.pdiparams", std::ios::binary)
      << fuzz::Text(data, size);
  const auto files = engine::CheckModelFiles(model.directory);
  if (files.ok()) {
    fuzz::Check(files->signature.parameters.size() == 3,
                "all parameters are there");
  } else {
    base::CheckRefusal(files.status(), {absl::StatusCode::kDataLoss,
                                        absl::StatusCode::kInvalidArgument,
                                        absl::StatusCode::kNotFound});
  }
  return 0;
}
