// What the server and a worker tell each other.
//
// A worker has one socket for control and one for each instance ("slot") of its
// model. On the first it gets Load and answers Loaded; on each slot it gets Run
// and answers Ran, one at a time. Tensors lie in shared segments: those of
// inputs are made and filled by the server, and begin with the worker's
// Progress (progress.h); those of outputs by the worker, which the server can
// only read.
#ifndef CC_WORKER_MESSAGES_H_
#define CC_WORKER_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cc/base/cpu_engine.h"
#include "cc/base/tensor_spec.h"
#include "cc/base/values.h"

namespace worker {

// How a model is to be loaded and run.
struct LoadOptions {
  std::string directory;
  int slots = 1;
  int threads = 1;  // of each slot
  base::CpuEngine cpu_engine = base::CpuEngine::kOneDnn;
  std::vector<int> gpus;  // slots are spread over them; none: the CPU
  int gpu_memory_mb = 100;
  // Sizes of batches, ascending, to try whether answers are equal bits in all;
  // empty: no trial.
  std::vector<int64_t> buckets;
  // Requests wait for it; else it gives way to what is served.
  bool awaited = false;
  // Runs before the model is ready, so that the first request is not slow.
  int warm_up = 1;
};

struct Loaded {
  absl::Status status;
  std::vector<base::TensorSpec> inputs;
  std::vector<base::TensorSpec> outputs;
  std::vector<base::ValueCheck> checks;
  // Of the trial: whether a request's answer is the same bits, whatever it is
  // computed with; and a sentence about it.
  bool equal_bits = false;
  std::string trial;
};

// Where an input of a run lies in the slot's segment.
struct Place {
  int64_t segment = 0;
  int64_t offset = 0;
  int64_t bytes = 0;
};

struct RunInput {
  Place place;
  std::vector<int64_t> shape;
  base::Lod lod;
};

// One or several, one after the other: short ones that wait anyway go together,
// as a message costs two changes of process.
struct Run {
  // Of the inputs; a file descriptor comes with the first message that names
  // it, and replaces the segment before.
  bool new_segment = false;
  // Of each run, in the order of the model's.
  std::vector<std::vector<RunInput>> inputs;
  // Segments of outputs that nobody reads any more.
  std::vector<int64_t> released;
  // Run nothing; give memory back to the system.
  bool release_memory = false;
};

struct RunOutput {
  Place place;
  base::DataType dtype = base::DataType::kFloat32;
  std::vector<int64_t> shape;
  base::Lod lod;
};

struct RunResult {
  absl::Status status;
  std::vector<RunOutput> outputs;  // in the order of the model's
  int64_t compute_ns = 0;
};

struct Ran {
  absl::Status status;             // of the message as a whole
  std::vector<RunResult> results;  // of each run
  std::vector<int64_t> segments;   // new ones: a file descriptor each
};

std::string Encode(const LoadOptions& options);
std::string Encode(const Loaded& loaded);
std::string Encode(const Run& run);
std::string Encode(const Ran& ran);

// False where the bytes are no such message.
bool Decode(absl::string_view bytes, LoadOptions* options);
bool Decode(absl::string_view bytes, Loaded* loaded);
bool Decode(absl::string_view bytes, Run* run);
bool Decode(absl::string_view bytes, Ran* ran);

}  // namespace worker

#endif  // CC_WORKER_MESSAGES_H_
