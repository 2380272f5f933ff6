// The C++ inference API of paddlepaddle 2.6.2 and 3.2.2, as far as their
// libraries export it. The wheels ship the libraries without headers, so the
// declarations stand here; they are our own and must match the libraries symbol
// by symbol and byte by byte. //bazel/paddle holds the tests that fail when
// they do not, one of each for each line of Paddle:
//   abi_test      object sizes, field offsets, virtual table slots, enum values
//   symbols_test  every function declared here lives in the libraries
//
// Only what an application needs on a CPU, and on NVIDIA's GPUs, is declared,
// and only what all of them have, that of paddlepaddle-gpu too: one program
// runs with any. What one line has alone is in namespace paddle3. Use:
//
//   paddle_infer::Config config("model.pdmodel", "model.pdiparams");
//   config.DisableGlogInfo();
//   std::shared_ptr<paddle_infer::Predictor> predictor =
//       paddle_infer::CreatePredictor(config);
//   auto x = predictor->GetInputHandle(predictor->GetInputNames()[0]);
//   x->Reshape({1, 1, 8, 8});
//   x->CopyFromCpu(pixels.data());
//   predictor->Run();
//   auto y = predictor->GetOutputHandle(predictor->GetOutputNames()[0]);
//   y->CopyToCpu(scores.data());
//
// Errors are C++ exceptions derived from std::exception. //cc/engine turns them
// into absl::Status and checks what this API does not; prefer it.
#ifndef BAZEL_PADDLE_INCLUDE_PADDLE_INFERENCE_API_H_
#define BAZEL_PADDLE_INCLUDE_PADDLE_INFERENCE_API_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

namespace phi {
namespace dtype {

// Half precision numbers as the tensors store them: IEEE 754 binary16, and the
// upper half of a binary32.
struct alignas(2) float16 {
  uint16_t x;
};
struct alignas(2) bfloat16 {
  uint16_t x;
};

}  // namespace dtype

#if defined(__x86_64__)  // the libraries for other machines have no oneDNN

// What oneDNN's part of the library knows of the calling thread. It finds what
// it has compiled by the text set here, beside other things: a predictor whose
// config has a capacity for shapes sets it before each run to the shapes of the
// inputs, one whose capacity is 0 leaves it as it is.
class OneDNNContextThreadLocals {
 public:
  class Body {
   public:
    Body() = delete;
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;
    void set_cur_input_shape_str(std::string shapes);
  };
  static Body& fetch();
};

#endif  // __x86_64__

}  // namespace phi

namespace paddle {

// How to load and run one model. Defaults of the library on a CPU: one thread,
// oneDNN on, graph optimisation on, log lines on. A config makes one predictor:
// used twice, the library throws; copy it before.
//
// The fields belong to the library: here they are storage with room to spare
// (abi_test measures what the library writes). The library exports copy
// construction but not assignment.
class AnalysisConfig {
 public:
  enum class Precision { kFloat32 = 0, kInt8, kHalf, kBf16 };

  AnalysisConfig();
  AnalysisConfig(const AnalysisConfig& other);
  // Directory with files __model__ and one file a parameter (the old format).
  explicit AnalysisConfig(const std::string& model_dir);
  AnalysisConfig(const std::string& program_file,
                 const std::string& parameter_file);
  ~AnalysisConfig();
  AnalysisConfig& operator=(const AnalysisConfig&) = delete;

  // The model.
  void SetModel(const std::string& model_dir);
  void SetModel(const std::string& program_file,
                const std::string& parameter_file);
  void SetProgFile(const std::string& program_file);
  void SetParamsFile(const std::string& parameter_file);
  // Both buffers are copied. model_from_memory() is true afterwards.
  void SetModelBuffer(const char* program, size_t program_size,
                      const char* parameters, size_t parameters_size);
  const std::string& model_dir() const;
  const std::string& prog_file() const;
  const std::string& params_file() const;
  bool model_from_memory() const;

  // The device. DisableGpu() is the default. EnableUseGpu wants a library with
  // CUDA (without, it logs an error and stays on the CPU) and oneDNN off; it
  // throws where there is no such device. memory_pool_mb: the pool's size at
  // first, which the first predictor of the process decides.
  void EnableUseGpu(uint64_t memory_pool_mb, int device, Precision precision);
  void DisableGpu();
  bool use_gpu() const;
  void SetCpuMathLibraryNumThreads(int threads);
  int cpu_math_library_num_threads() const;

  // oneDNN, which the library calls MKLDNN. It keeps one compiled kernel for
  // each input shape; the capacity bounds how many shapes (10; 0: no bound, and
  // no regard for shapes, which recurrent layers do not bear, but to the text
  // of OneDNNContextThreadLocals).
  void EnableMKLDNN();
  void DisableMKLDNN();
  void SetMkldnnCacheCapacity(int shapes);
  void DisableMkldnnFcPasses();
  void EnableMkldnnInt8(const std::unordered_set<std::string>& operators);
  void EnableMkldnnBfloat16();
  void SetBfloat16Op(std::unordered_set<std::string> operators);

  // Graph optimisation. Off, a convolution network runs about three times
  // slower.
  void SwitchIrOptim(int on);
  bool ir_optim() const;
  void EnableMemoryOptim(bool on);
  bool enable_memory_optim() const;
  void SetOptimCacheDir(const std::string& directory);
  void EnableSaveOptimModel(bool on);
  void EnableNewExecutor(bool on);
  void DisableFCPadding();

  // What it says.
  void DisableGlogInfo();
  bool glog_info_disabled() const;
  void EnableProfile();
  std::string Summary();

 private:
  alignas(16) unsigned char storage_[4096];
};

// Base of what a Predictor holds. It is here for its destructor alone, which
// unique_ptr<Predictor> reaches through the virtual table: 16 functions stand
// before it there. Nobody calls or implements those through this declaration.
class PaddlePredictor {
 public:
  PaddlePredictor(const PaddlePredictor&) = delete;
  PaddlePredictor& operator=(const PaddlePredictor&) = delete;

 private:
  virtual void Slot0() = 0;
  virtual void Slot1() = 0;
  virtual void Slot2() = 0;
  virtual void Slot3() = 0;
  virtual void Slot4() = 0;
  virtual void Slot5() = 0;
  virtual void Slot6() = 0;
  virtual void Slot7() = 0;
  virtual void Slot8() = 0;
  virtual void Slot9() = 0;
  virtual void Slot10() = 0;
  virtual void Slot11() = 0;
  virtual void Slot12() = 0;
  virtual void Slot13() = 0;
  virtual void Slot14() = 0;
  virtual void Slot15() = 0;

 public:
  virtual ~PaddlePredictor() = 0;
};

// What only Paddle 3 has: null with Paddle 2. There functions about oneDNN have
// other names, and the old ones, which are there as well, warn in the log.
#define PADDLE_3(symbol) __asm__(symbol) __attribute__((weak))
namespace paddle3 {

void DisableOneDnn(AnalysisConfig* config)
    PADDLE_3("_ZN6paddle14AnalysisConfig13DisableONEDNNEv");
void EnableOneDnnInt8(AnalysisConfig* config,
                      const std::unordered_set<std::string>& operators)
    PADDLE_3(
        "_ZN6paddle14AnalysisConfig16EnableOnednnInt8ERKSt13unordered_setINSt7_"
        "_cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt4hashIS7_ESt8equal_"
        "toIS7_ESaIS7_EE");
void SetOneDnnCacheCapacity(AnalysisConfig* config, int shapes)
    PADDLE_3("_ZN6paddle14AnalysisConfig22SetOnednnCacheCapacityEi");
// Null on arm64. One operator computes the whole network then, or the library
// throws; what that operator does about errors: num_messages.
void EnableOpenVino(AnalysisConfig* config, AnalysisConfig::Precision precision)
    PADDLE_3(
        "_ZN6paddle14AnalysisConfig20EnableOpenVINOEngineENS0_9PrecisionE");

}  // namespace paddle3
#undef PADDLE_3

namespace pybind {

// Whether this library can use NVIDIA's GPUs.
bool IsCompiledWithCUDA();

}  // namespace pybind
}  // namespace paddle

namespace google {

class LogMessage {
 public:
  // How many messages of a severity (2: errors) this process has logged. Where
  // OpenVINO fails in a run, this tells of it and nothing else: the library
  // catches the exception, logs it, and leaves the outputs of the run before.
  static int64_t num_messages(int severity);
};

}  // namespace google

namespace paddle_infer {

using Config = paddle::AnalysisConfig;
using PrecisionType = paddle::AnalysisConfig::Precision;
using float16 = phi::dtype::float16;
using bfloat16 = phi::dtype::bfloat16;

// Element types of a tensor. The member templates of Tensor exist for
// float, int64_t, int32_t, uint8_t, int8_t, float16, bool, double, bfloat16.
enum DataType {
  FLOAT32 = 0,
  INT64 = 1,
  INT32 = 2,
  UINT8 = 3,
  INT8 = 4,
  FLOAT16 = 5,
  BOOL = 6,
  FLOAT64 = 7,
  BFLOAT16 = 8,
};

enum class PlaceType { kUNK = -1, kCPU, kGPU, kXPU, kIPU, kCUSTOM };

enum class DataLayout { kUNK = -1, kAny, kNHWC, kNCHW };

// A view of one input or output of a predictor, valid while the predictor
// lives. An output's buffer is overwritten by the next Run.
class Tensor {
 public:
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  const std::string& name() const;
  DataType type() const;
  PlaceType place() const;
  // Of an input: what Reshape set. Of an output: that of the last run.
  std::vector<int> shape() const;
  // Must come before any write into an input.
  void Reshape(const std::vector<int>& shape);

  // Copies shape() elements. The library trusts T and the pointer: check type()
  // first.
  template <typename T>
  void CopyFromCpu(const T* data);
  template <typename T>
  void CopyToCpu(T* data) const;
  // The tensor's own buffer; size counts elements.
  template <typename T>
  T* mutable_data(PlaceType place);
  template <typename T>
  T* data(PlaceType* place, int* size) const;
  // Takes the caller's buffer as the tensor's, without a copy; it must outlive
  // the run.
  template <typename T>
  void ShareExternalData(const T* data, const std::vector<int>& shape,
                         PlaceType place, DataLayout layout);

  // Level of detail: offsets of the sequences in a batch.
  void SetLoD(const std::vector<std::vector<size_t>>& lod);
  std::vector<std::vector<size_t>> lod() const;

 private:
  // Made by the library only, destroyed by whoever holds the unique_ptr: the
  // two strings must lie where the library built them.
  Tensor() = delete;
  std::string name_;
  void* tensor_;
  DataType dtype_;
  bool is_input_;
  void* scope_;
  const void* device_contexts_;
  PlaceType place_;
  int device_;
  std::string device_type_;
};

// One loaded model. Not thread-safe: one thread an instance. Clone() gives an
// instance for another thread that shares the parameters. With Paddle 3 the
// first of them that is destroyed takes the parameters with it.
class Predictor {
 public:
  explicit Predictor(const Config& config);
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  std::vector<std::string> GetInputNames();
  std::vector<std::string> GetOutputNames();
  // As the model declares them; -1 is a variable dimension.
  std::map<std::string, std::vector<int64_t>> GetInputTensorShape();
  std::map<std::string, std::vector<int64_t>> GetOutputTensorShape();
  std::map<std::string, DataType> GetInputTypes();
  std::map<std::string, DataType> GetOutputTypes();
  std::unique_ptr<Tensor> GetInputHandle(const std::string& name);
  std::unique_ptr<Tensor> GetOutputHandle(const std::string& name);

  bool Run();
  // stream: a CUDA stream; nullptr on a CPU.
  std::unique_ptr<Predictor> Clone(void* stream);

  // Frees what a run left behind, except inputs and outputs.
  void ClearIntermediateTensor();
  // Gives unused memory of the pool back; returns the number of bytes.
  uint64_t TryShrinkMemory();

 private:
  std::unique_ptr<paddle::PaddlePredictor> predictor_;
};

std::shared_ptr<Predictor> CreatePredictor(const Config& config);

// Lines "version: 2.6.2", "commit: ...", and more.
std::string GetVersion();

}  // namespace paddle_infer

#endif  // BAZEL_PADDLE_INCLUDE_PADDLE_INFERENCE_API_H_
