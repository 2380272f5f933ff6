// The header's classes have the library's sizes and layouts: wrong ones would
// not fail to compile or link, they would overwrite memory.
#include <dlfcn.h>
#include <malloc.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "paddle_inference_api.h"

namespace {

using paddle_infer::Config;
using paddle_infer::Predictor;
using paddle_infer::Tensor;

std::string* model_dir;

std::string Program() { return *model_dir + "/model.pdmodel"; }
std::string Parameters() { return *model_dir + "/model.pdiparams"; }

// Memory for one T followed by as much again, all filled with a pattern: tells
// how far into it something wrote. The pattern matters where what is written
// happens to equal it, so tests use two.
template <typename T>
class Canary {
 public:
  explicit Canary(unsigned char pattern) : pattern_(pattern) {
    memory_ = static_cast<unsigned char*>(std::aligned_alloc(64, kBytes));
    std::memset(memory_, pattern, kBytes);
  }
  ~Canary() { std::free(memory_); }
  T* object() { return reinterpret_cast<T*>(memory_); }
  size_t Written() const {
    size_t end = kBytes;
    while (end > 0 && memory_[end - 1] == pattern_) --end;
    return end;
  }

 private:
  static constexpr size_t kBytes = (2 * sizeof(T) + 4096) / 64 * 64;
  unsigned char pattern_;
  unsigned char* memory_;
};

// Reads a word of an object's memory.
template <typename T>
T Word(const void* object, size_t offset) {
  T word;
  std::memcpy(&word, static_cast<const char*>(object) + offset, sizeof(word));
  return word;
}

// What malloc gives for one T, exact to 16 bytes.
template <typename T>
size_t UsableSize() {
  std::unique_ptr<void, void (*)(void*)> memory(std::malloc(sizeof(T)), free);
  return malloc_usable_size(memory.get());
}

std::shared_ptr<Predictor> Load() {
  Config config(Program(), Parameters());
  config.DisableGlogInfo();
  return paddle_infer::CreatePredictor(config);
}

std::vector<float> Infer(Predictor* predictor) {
  const std::string name = predictor->GetInputNames()[0];
  const std::vector<int64_t> declared = predictor->GetInputTensorShape()[name];
  std::vector<int> shape;
  size_t size = 1;
  for (int64_t dim : declared) {
    shape.push_back(dim < 0 ? 1 : static_cast<int>(dim));
    size *= static_cast<size_t>(shape.back());
  }
  std::unique_ptr<Tensor> x = predictor->GetInputHandle(name);
  std::vector<float> pixels(size);
  for (size_t i = 0; i < size; ++i) pixels[i] = static_cast<float>(i % 7);
  x->Reshape(shape);
  x->CopyFromCpu(pixels.data());
  EXPECT_TRUE(predictor->Run());
  std::unique_ptr<Tensor> y =
      predictor->GetOutputHandle(predictor->GetOutputNames()[0]);
  size = 1;
  for (int dim : y->shape()) size *= static_cast<size_t>(dim);
  std::vector<float> scores(size);
  y->CopyToCpu(scores.data());
  return scores;
}

TEST(Config, StaysWithinItsStorage) {
  // Room is left, so that nobody's guess has to be exact.
  const size_t limit = sizeof(Config) - 512;
  for (unsigned char pattern : {0xA5, 0x5A}) {
    Canary<Config> canary(pattern);
    Config* config = new (canary.object()) Config(Program(), Parameters());
    config->DisableGlogInfo();
    config->SetCpuMathLibraryNumThreads(2);
    config->SetMkldnnCacheCapacity(3);
    config->EnableMKLDNN();
    config->EnableMkldnnInt8({"conv2d"});
    config->EnableMemoryOptim(true);
    config->SetOptimCacheDir("cache");
    config->Summary();
    EXPECT_LT(canary.Written(), limit);
    EXPECT_GT(canary.Written(), 1000);

    Canary<Config> copy(pattern);
    new (copy.object()) Config(*config);
    EXPECT_LT(copy.Written(), limit);
    EXPECT_EQ(copy.object()->prog_file(), Program());
    EXPECT_EQ(copy.object()->cpu_math_library_num_threads(), 2);
    copy.object()->~Config();
    EXPECT_LT(copy.Written(), limit);
    config->~Config();

    Canary<Config> empty(pattern);
    new (empty.object()) Config();
    EXPECT_LT(empty.Written(), limit);
    empty.object()->~Config();

    Canary<Config> directory(pattern);
    new (directory.object()) Config(*model_dir);
    EXPECT_LT(directory.Written(), limit);
    directory.object()->~Config();
  }
}

// Asks one of the library's functions about oneDNN, which each line names in
// its own way.
bool OneDnn(const Config& config, const std::string& question) {
  for (const std::string name : {"mkldnn", "onednn"}) {
    const std::string function = name + question;
    const std::string symbol = "_ZNK6paddle14AnalysisConfig" +
                               std::to_string(function.size()) + function +
                               "Ev";
    void* const address = dlsym(RTLD_DEFAULT, symbol.c_str());
    if (address == nullptr) continue;
    return reinterpret_cast<bool (*)(const Config*)>(address)(&config);
  }
  ADD_FAILURE() << "libpaddle.so has no function *" << question;
  return false;
}

TEST(Config, HasTheDefaultsThatTheHeaderTells) {
  Config config(Program(), Parameters());
  EXPECT_EQ(config.cpu_math_library_num_threads(), 1);
  EXPECT_TRUE(OneDnn(config, "_enabled"));
  EXPECT_FALSE(OneDnn(config, "_int8_enabled"));
  EXPECT_TRUE(config.ir_optim());
  EXPECT_FALSE(config.enable_memory_optim());
  EXPECT_FALSE(config.use_gpu());
  EXPECT_FALSE(config.glog_info_disabled());
  EXPECT_FALSE(config.model_from_memory());
}

TEST(Tensor, HasTheLibrarysLayout) {
  std::shared_ptr<Predictor> predictor = Load();
  const std::string name = predictor->GetInputNames()[0];
  std::unique_ptr<Tensor> x = predictor->GetInputHandle(name);
  // The library allocated it; we destroy it, and with it both strings.
  EXPECT_EQ(malloc_usable_size(x.get()), UsableSize<Tensor>());
  EXPECT_EQ(static_cast<const void*>(&x->name()),
            static_cast<const void*>(x.get()));
  EXPECT_EQ(x->name(), name);
  // An empty string points at its own buffer, 16 bytes on, and has length 0.
  const size_t last = sizeof(Tensor) - sizeof(std::string);
  EXPECT_EQ(Word<const char*>(x.get(), last),
            reinterpret_cast<const char*>(x.get()) + last + 16);
  EXPECT_EQ(Word<size_t>(x.get(), last + 8), 0u);
  EXPECT_EQ(x->type(), paddle_infer::FLOAT32);
  EXPECT_EQ(x->place(), paddle_infer::PlaceType::kCPU);
}

// The slot of the virtual table through which code compiled with the header
// deletes a PaddlePredictor: found by deleting one whose table is ours.
int slot_called = -1;

template <int slot>
void RecordCall(void*) {
  slot_called = slot;
}

template <int... slots>
int SlotOfDelete(std::integer_sequence<int, slots...>) {
  void (*table[])(void*) = {&RecordCall<slots>...};
  auto* object = new (void (**)(void*))(table);
  delete reinterpret_cast<paddle::PaddlePredictor*>(object);
  delete object;
  return slot_called;
}

TEST(Predictor, IsDeletedThroughTheLibrarysSlot) {
  std::shared_ptr<Predictor> predictor = Load();
  std::unique_ptr<Predictor> clone = predictor->Clone(nullptr);
  EXPECT_EQ(malloc_usable_size(clone.get()), UsableSize<Predictor>());
  // Its one field points at an AnalysisPredictor, whose first field points at
  // its table of virtual functions.
  const void* implementation = Word<const void*>(clone.get(), 0);
  const void* table = Word<const void*>(implementation, 0);
  const void* deleting_destructor =
      dlsym(RTLD_DEFAULT, "_ZN6paddle17AnalysisPredictorD0Ev");
  ASSERT_NE(deleting_destructor, nullptr);
  const int slot = SlotOfDelete(std::make_integer_sequence<int, 32>());
  ASSERT_GE(slot, 0);
  EXPECT_EQ(Word<const void*>(table, slot * sizeof(void*)),
            deleting_destructor);
}

TEST(Predictor, CloneGivesTheSameBits) {
  std::shared_ptr<Predictor> predictor = Load();
  const std::vector<float> scores = Infer(predictor.get());
  std::unique_ptr<Predictor> clone = predictor->Clone(nullptr);
  EXPECT_EQ(Infer(clone.get()), scores);
}

bool IsPaddle3() { return paddle::paddle3::DisableOneDnn != nullptr; }

// Paddle 3 empties what all share when one of them ends
// (github.com/PaddlePaddle/Paddle/pull/70314); cc/engine/family.h bears it.
TEST(Predictor, OneThatEndsTakesTheWeightsOfItsClonesInPaddle3) {
  std::shared_ptr<Predictor> predictor = Load();
  const std::vector<float> scores = Infer(predictor.get());
  predictor->Clone(nullptr).reset();
  if (IsPaddle3()) {
    EXPECT_THROW(Infer(predictor.get()), std::exception);
  } else {
    EXPECT_EQ(Infer(predictor.get()), scores);
  }
}

TEST(Predictor, HandlesAndPredictorsAreFreed) {
  std::shared_ptr<Predictor> predictor = Load();
  Infer(predictor.get());
  const auto cycle = [&] {
    std::shared_ptr<Predictor> other =
        IsPaddle3() ? Load() : predictor->Clone(nullptr);
    Infer(other.get());
  };
  for (int i = 0; i < 5; ++i) cycle();
  const size_t before = mallinfo2().uordblks;
  constexpr int kCycles = 20;
  for (int i = 0; i < kCycles; ++i) cycle();
  // A clone that stays holds some 100 KB; the library itself keeps a little.
  EXPECT_LT(mallinfo2().uordblks, before + kCycles * 32768);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: abi_test MODEL_DIRECTORY\n");
    return 2;
  }
  model_dir = new std::string(argv[1]);
  return RUN_ALL_TESTS();
}
