// Everything that paddle_inference_api.h declares is in the engine's libraries,
// and they are of the locked version.
//
// A function that is missing fails the link of whoever calls it first; this
// test calls for all of them, and reads the header to see that none was left
// out.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <type_traits>

#include "gtest/gtest.h"
#include "paddle_inference_api.h"

namespace {

using paddle_infer::Config;
using paddle_infer::Predictor;
using paddle_infer::Tensor;

std::string* header_path;

std::set<std::string>& Tested() {
  static std::set<std::string> names;
  return names;
}

void ExpectInLibrary(const std::string& name, const void* address) {
  Dl_info info;
  ASSERT_NE(dladdr(address, &info), 0) << name;
  // Of Paddle 3 oneDNN's part is in libphi_core.so.
  const std::string file =
      std::filesystem::path(info.dli_fname).filename().string();
  EXPECT_TRUE(file == "libpaddle.so" || file == "libphi_core.so")
      << name << " is in " << file;
  Tested().insert(name);
}

// A pointer to a function, or to a member function, whose first word is the
// function's address where it is not virtual.
template <typename F>
void ExpectInLibrary(const std::string& name, F function) {
  const void* address;
  static_assert(sizeof(function) >= sizeof(address));
  std::memcpy(&address, &function, sizeof(address));
  ExpectInLibrary(name, address);
}

void ExpectMangledInLibrary(const std::string& name, const char* symbol) {
  const void* address = dlsym(RTLD_DEFAULT, symbol);
  ASSERT_NE(address, nullptr) << symbol;
  ExpectInLibrary(name, address);
}

TEST(Symbols, Config) {
  using std::string;
  ExpectMangledInLibrary("AnalysisConfig", "_ZN6paddle14AnalysisConfigC1Ev");
  ExpectMangledInLibrary("AnalysisConfig",
                         "_ZN6paddle14AnalysisConfigC1ERKS0_");
  ExpectMangledInLibrary("AnalysisConfig",
                         "_ZN6paddle14AnalysisConfigC1ERKNSt7__cxx1112basic_"
                         "stringIcSt11char_traitsIcESaIcEEE");
  ExpectMangledInLibrary("AnalysisConfig",
                         "_ZN6paddle14AnalysisConfigC1ERKNSt7__cxx1112basic_"
                         "stringIcSt11char_traitsIcESaIcEEES8_");
  ExpectMangledInLibrary("~AnalysisConfig", "_ZN6paddle14AnalysisConfigD1Ev");
  ExpectInLibrary<void (Config::*)(const string&)>("SetModel",
                                                   &Config::SetModel);
  ExpectInLibrary<void (Config::*)(const string&, const string&)>(
      "SetModel", &Config::SetModel);
  ExpectInLibrary("SetProgFile", &Config::SetProgFile);
  ExpectInLibrary("SetParamsFile", &Config::SetParamsFile);
  ExpectInLibrary("SetModelBuffer", &Config::SetModelBuffer);
  ExpectInLibrary("model_dir", &Config::model_dir);
  ExpectInLibrary("prog_file", &Config::prog_file);
  ExpectInLibrary("params_file", &Config::params_file);
  ExpectInLibrary("model_from_memory", &Config::model_from_memory);
  ExpectInLibrary("EnableUseGpu", &Config::EnableUseGpu);
  ExpectInLibrary("DisableGpu", &Config::DisableGpu);
  ExpectInLibrary("use_gpu", &Config::use_gpu);
  ExpectInLibrary("SetCpuMathLibraryNumThreads",
                  &Config::SetCpuMathLibraryNumThreads);
  ExpectInLibrary("cpu_math_library_num_threads",
                  &Config::cpu_math_library_num_threads);
  ExpectInLibrary("EnableMKLDNN", &Config::EnableMKLDNN);
  ExpectInLibrary("DisableMKLDNN", &Config::DisableMKLDNN);
  ExpectInLibrary("SetMkldnnCacheCapacity", &Config::SetMkldnnCacheCapacity);
  ExpectInLibrary("DisableMkldnnFcPasses", &Config::DisableMkldnnFcPasses);
  ExpectInLibrary("EnableMkldnnInt8", &Config::EnableMkldnnInt8);
  ExpectInLibrary("EnableMkldnnBfloat16", &Config::EnableMkldnnBfloat16);
  ExpectInLibrary("SwitchIrOptim", &Config::SwitchIrOptim);
  ExpectInLibrary("ir_optim", &Config::ir_optim);
  ExpectInLibrary("EnableMemoryOptim", &Config::EnableMemoryOptim);
  ExpectInLibrary("enable_memory_optim", &Config::enable_memory_optim);
  ExpectInLibrary("SetOptimCacheDir", &Config::SetOptimCacheDir);
  ExpectInLibrary("EnableSaveOptimModel", &Config::EnableSaveOptimModel);
  ExpectInLibrary("EnableNewExecutor", &Config::EnableNewExecutor);
  ExpectInLibrary("DisableFCPadding", &Config::DisableFCPadding);
  ExpectInLibrary("DisableGlogInfo", &Config::DisableGlogInfo);
  ExpectInLibrary("glog_info_disabled", &Config::glog_info_disabled);
  ExpectInLibrary("EnableProfile", &Config::EnableProfile);
  ExpectInLibrary("Summary", &Config::Summary);
}

template <typename T>
void ExpectTensorOf() {
  ExpectInLibrary("CopyFromCpu", &Tensor::CopyFromCpu<T>);
  ExpectInLibrary("CopyToCpu", &Tensor::CopyToCpu<T>);
  ExpectInLibrary("mutable_data", &Tensor::mutable_data<T>);
  ExpectInLibrary("data", &Tensor::data<T>);
  ExpectInLibrary("ShareExternalData", &Tensor::ShareExternalData<T>);
}

TEST(Symbols, Tensor) {
  ExpectInLibrary("name", &Tensor::name);
  ExpectInLibrary("type", &Tensor::type);
  ExpectInLibrary("place", &Tensor::place);
  ExpectInLibrary("shape", &Tensor::shape);
  ExpectInLibrary("Reshape", &Tensor::Reshape);
  ExpectInLibrary("SetLoD", &Tensor::SetLoD);
  ExpectInLibrary("lod", &Tensor::lod);
  ExpectTensorOf<float>();
  ExpectTensorOf<int64_t>();
  ExpectTensorOf<int32_t>();
  ExpectTensorOf<uint8_t>();
  ExpectTensorOf<int8_t>();
  ExpectTensorOf<paddle_infer::float16>();
  ExpectTensorOf<bool>();
  ExpectTensorOf<double>();
  ExpectTensorOf<paddle_infer::bfloat16>();
}

TEST(Symbols, Predictor) {
  ExpectMangledInLibrary(
      "Predictor", "_ZN12paddle_infer9PredictorC1ERKN6paddle14AnalysisConfigE");
  ExpectInLibrary("GetInputNames", &Predictor::GetInputNames);
  ExpectInLibrary("GetOutputNames", &Predictor::GetOutputNames);
  ExpectInLibrary("GetInputTensorShape", &Predictor::GetInputTensorShape);
  ExpectInLibrary("GetOutputTensorShape", &Predictor::GetOutputTensorShape);
  ExpectInLibrary("GetInputTypes", &Predictor::GetInputTypes);
  ExpectInLibrary("GetOutputTypes", &Predictor::GetOutputTypes);
  ExpectInLibrary("GetInputHandle", &Predictor::GetInputHandle);
  ExpectInLibrary("GetOutputHandle", &Predictor::GetOutputHandle);
  ExpectInLibrary("Run", &Predictor::Run);
  ExpectInLibrary("Clone", &Predictor::Clone);
  ExpectInLibrary("ClearIntermediateTensor",
                  &Predictor::ClearIntermediateTensor);
  ExpectInLibrary("TryShrinkMemory", &Predictor::TryShrinkMemory);
  ExpectInLibrary("CreatePredictor", &paddle_infer::CreatePredictor);
  ExpectInLibrary("GetVersion", &paddle_infer::GetVersion);
#if defined(__x86_64__)
  using phi::OneDNNContextThreadLocals;
  ExpectInLibrary("fetch", &OneDNNContextThreadLocals::fetch);
  ExpectInLibrary("set_cur_input_shape_str",
                  &OneDNNContextThreadLocals::Body::set_cur_input_shape_str);
  ExpectInLibrary("SetBfloat16Op", &Config::SetBfloat16Op);
#else  // the libraries for other machines have no oneDNN
  Tested().insert({"SetBfloat16Op", "fetch", "set_cur_input_shape_str"});
#endif
  ExpectInLibrary("IsCompiledWithCUDA", &paddle::pybind::IsCompiledWithCUDA);
  ExpectInLibrary("num_messages", &google::LogMessage::num_messages);
}

// All of them, or none.
TEST(Symbols, Paddle3) {
  namespace paddle3 = paddle::paddle3;
  const bool is3 = paddle_infer::GetVersion().rfind("version: 3.", 0) == 0;
  const auto expect = [&](const std::string& name, auto function) {
    Tested().insert(name);
    EXPECT_EQ(function != nullptr, is3) << name;
    if (function != nullptr) ExpectInLibrary(name, function);
  };
  expect("DisableOneDnn", &paddle3::DisableOneDnn);
  expect("EnableOneDnnInt8", &paddle3::EnableOneDnnInt8);
  expect("SetOneDnnCacheCapacity", &paddle3::SetOneDnnCacheCapacity);
#if defined(__x86_64__)
  expect("EnableOpenVino", &paddle3::EnableOpenVino);
#else  // the library for other machines has none
  Tested().insert("EnableOpenVino");
#endif
}

// Runs after the others: they fill Tested().
TEST(SymbolsOfTheHeader, AreAllTested) {
  std::ifstream file(*header_path);
  ASSERT_TRUE(file) << *header_path;
  std::string text{std::istreambuf_iterator<char>(file), {}};
  text = std::regex_replace(text, std::regex("//[^\n]*|#[^\n]*"), "");
  // Not functions of the library: what is deleted, slots, our own destructor.
  text =
      std::regex_replace(text,
                         std::regex("[^;{}:]*\\)( const)? = (delete|0);|"
                                    "alignas\\([0-9]+\\)|PADDLE_3\\([^)]*\\)"),
                         "");
  std::set<std::string> declared;
  const std::regex function("(~?[A-Za-z_]\\w*)\\(");
  for (std::sregex_iterator it(text.begin(), text.end(), function), end;
       it != end; ++it) {
    declared.insert((*it)[1]);
  }
  EXPECT_GT(declared.size(), 50u);
  EXPECT_EQ(declared, Tested());
}

// The SDK has the metadata of the locked wheel beside the libraries.
TEST(Version, IsTheLockedOne) {
  Dl_info info;
  const void* const function =
      dlsym(RTLD_DEFAULT, "_ZN6paddle14AnalysisConfigC1Ev");
  ASSERT_NE(dladdr(function, &info), 0);
  // Not "../../..": the library is a link.
  const std::filesystem::path library = info.dli_fname;
  const auto sdk = library.parent_path().parent_path().parent_path();
  const std::string version = paddle_infer::GetVersion();
  const std::string number =
      version.substr(0, version.find('\n')).substr(std::strlen("version: "));
  EXPECT_TRUE(std::filesystem::exists(
      sdk / ("paddlepaddle-" + number + ".dist-info") / "METADATA"))
      << version;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: symbols_test HEADER\n");
    return 2;
  }
  header_path = new std::string(argv[1]);
  return RUN_ALL_TESTS();
}
