// The settings that are measured, and what is found of them.
#ifndef CC_TUNE_SETTINGS_H_
#define CC_TUNE_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cc/tune/bench.h"
#include "cc/tune/difference.h"

namespace tune {

// What is tried of each; empty: what makes sense on so many CPUs.
struct Choices {
  std::vector<base::CpuEngine> cpu_engine;
  std::vector<int> threads;
  std::vector<int> instances;
  std::vector<int64_t> max_batch_rows;
};

// The present setting, and then all others of the choices whose instances have
// a CPU for each thread. `counts`: the model's requests can be computed
// together. `batches`: those of the present setting are.
std::vector<Setting> Candidates(const Setting& present, bool counts,
                                bool batches, int cpus, const Choices& choices);

// "cpu_engine onednn, threads 1, instances 2, batching auto up to 32 rows"
std::string Words(const Setting& setting);

// What was measured of one setting.
struct Result {
  Setting setting;
  bool batches = false;
  // Whether outputs have real numbers: whole ones (classes, ids) are mostly the
  // same where what they come from is not.
  bool reals = true;
  absl::Status status;                       // why it does not run
  std::vector<std::vector<Sample>> samples;  // by load, of each round
  // Rows in batches of all sizes beside the same rows alone; nullopt: outputs
  // have no parts for each row.
  std::optional<Difference> buckets;

  // Of a load: medians, and the most of memory and differences.
  Sample Of(size_t load) const;
  Difference difference() const;
  // How many times as fast as another: the geometric mean over the loads.
  double Gain(const Result& other) const;
  // Whether answers have the bits of the present setting's, as far as that can
  // be told.
  bool Keeps(const Result& present) const;
};

// What is said of the results, the present setting's first. `rows`: of a
// request of each load.
struct Verdict {
  const Result* kept;           // the fastest that keeps the bits
  const Result* other;          // the fastest, if that does not; or nullptr
  std::vector<size_t> ordered;  // the results, fastest first
};
Verdict Judge(const std::vector<Result>& results);
std::string Table(const std::vector<Result>& results, const Verdict& verdict,
                  const std::vector<int64_t>& rows);

}  // namespace tune

#endif  // CC_TUNE_SETTINGS_H_
